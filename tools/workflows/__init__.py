"""The example workflows as code: what each file in example_workflows/ is made of.

`python dev.py write workflows` writes the files; tests/host/test_workflow.py compares them.
"""

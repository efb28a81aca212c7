"""The example workflows as code: what each file in example_workflows/ is made of.

tests/host/test_workflow.py holds the files against it, and writes them with FLOW_SEARCH_WRITE=1.
"""

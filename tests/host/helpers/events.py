"""What a client of the server hears while its prompt runs."""

import json

import aiohttp

ENDS = ("execution_error", "execution_interrupted")
PREVIEWS = (1, 4)  # binary messages of the host: an image, and one that says whose it is


async def listen(host, client_id, graph, on_event=None, **extra_data):
    """The events, and the number of binary previews, while `graph` runs for that client; of a
    prompt that fails or is cancelled the host's own last message is the last event."""
    url, events, previews = host.client.url, [], 0
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{url}/ws?clientId={client_id}", max_msg_size=0) as stream:
            body = {"prompt": graph, "client_id": client_id, "extra_data": extra_data}
            answer = await (await session.post(f"{url}/prompt", json=body)).json()
            async for message in stream:
                if message.type == aiohttp.WSMsgType.BINARY:
                    previews += int.from_bytes(message.data[:4], "big") in PREVIEWS
                    continue
                told = json.loads(message.data)
                if told["type"] == "flow_search.event":
                    events.append(told["data"] | {"size": len(message.data)})
                    if on_event is not None:
                        await on_event(session, events)
                ours = told["data"].get("prompt_id") == answer["prompt_id"]
                if told["type"] == "executing" and ours and told["data"]["node"] is None:
                    return events, previews
                if told["type"] in ENDS and ours:
                    return [*events, told["data"] | {"kind": told["type"]}], previews

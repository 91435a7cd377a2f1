// Reading text/event-stream by hand (HTML 9.2.6): EventSource can send no Authorization header.

const SILENCE_MS = 40_000; // the server says something every 15 s, so this is a dead connection

/**
 * The events of an answer, `{event, data}` each, until it ends; silence aborts it. How long to wait
 * before the next stream comes as if it were an event: `retry`.
 */
export async function* eventsOf(answer, abort) {
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(abort, SILENCE_MS);
  };
  let event = {};
  try {
    heard();
    for await (const line of linesOf(answer.body, heard)) {
      if (line === "") {
        if (event.data !== undefined) yield { event: event.event ?? "message", data: event.data };
        event = {};
        continue;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "retry") yield { event: field, data: value };
      else if (field === "data" && event.data !== undefined) event.data += `\n${value}`;
      else if (field) event[field] = value; // a line that begins with a colon is a comment
    }
  } finally {
    clearTimeout(timer);
  }
}

async function* linesOf(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return; // an unfinished event is dropped: it is told again after reconnecting
      heard();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    }
  } finally {
    await reader.cancel().catch(() => {}); // it may be the connection's end that brought us here
  }
}

"""A loopback provider of the OpenAI fine-tuning API: files, jobs, events, checkpoints, models, and chat with them.

It is strict where the provider is: the key, the multipart form, the names of the fields, every line of an uploaded
file. Jobs go one step of `course` further each time they are looked at. `faults` make requests fail as ordered.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-loopback0123456789"
BASES = ("gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14")
COURSE = ("validating_files", "queued", "running", "running", "succeeded")
LEAST_EXAMPLES = 10
NOW = 1_767_323_045
_JOB_FIELDS = {"model", "training_file", "validation_file", "suffix", "seed", "method", "metadata"}
_HYPER = {
    "supervised": {"n_epochs", "batch_size", "learning_rate_multiplier"},
    "dpo": {"n_epochs", "batch_size", "learning_rate_multiplier", "beta"},
}


@dataclass
class Fault:
    """What happens to the next `times` requests whose `METHOD path` matches `at` in full.

    `status` answers an error; `status` None breaks the connection off. `done` does what was asked first, so that only
    the answer is lost. `body` is sent as it is, with status 200 unless another is given. `hang_s` waits first.
    """

    at: str
    status: int | None = None
    times: int = 1
    done: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "ordered by the test"
    code: str | None = None
    body: bytes | None = None
    hang_s: float = 0.0


@dataclass
class StoredFile:
    id: str
    name: str
    purpose: str
    content: bytes

    def said(self) -> dict[str, Any]:
        return {
            "id": self.id, "object": "file", "bytes": len(self.content), "created_at": NOW, "filename": self.name,
            "purpose": self.purpose, "status": "processed",
        }  # fmt: skip


class RefusedError(Exception):
    """A request that is answered by an error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class FineTuningServer:
    """`asked` holds `METHOD path` of every request, `headers` their headers; `before_answer` sees each one done."""

    def __init__(self) -> None:
        self.files: dict[str, StoredFile] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.checkpoints: dict[str, list[dict[str, Any]]] = {}
        self.models: set[str] = set(BASES)
        self.course: list[str] = list(COURSE)
        self.losses: list[float] = [2.0, 1.5, 1.2, 1.0]
        self.filters_jobs = True
        self.answer: Callable[[dict[str, Any]], str] = lambda body: f"to {body['messages'][-1]['content']}"
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.before_answer: Callable[[str], None] = lambda _line: None
        self.at_once, self.most_at_once = 0, 0
        self.lock = threading.RLock()
        self.released = threading.Event()
        outer = self

        class Handler(_Handler):
            provider = outer

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def posts(self, path: str = "/v1/fine_tuning/jobs") -> int:
        """How often something was posted there."""
        return self.asked.count(f"POST {path}")

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # What the provider does -----------------------------------------------------------------------------------------

    def upload(self, form: dict[str, tuple[str | None, bytes]]) -> dict[str, Any]:
        if set(form) != {"file", "purpose"} or form["purpose"][1] != b"fine-tune":
            raise RefusedError(400, f"a form of file and purpose was expected, not {sorted(form)}")
        name, content = form["file"]
        if not name or not name.endswith(".jsonl"):
            raise RefusedError(400, f"Invalid file format for Fine-Tuning API: {name}")
        file = StoredFile(f"file-{len(self.files) + 1:04d}", name, "fine-tune", content)
        self.files[file.id] = file
        return file.said()

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        if unknown := set(body) - _JOB_FIELDS:
            raise RefusedError(400, f"Unknown parameter: {sorted(unknown)[0]!r}", "unknown_parameter")
        if body.get("model") not in self.models:
            raise RefusedError(400, f"Model {body.get('model')} cannot be fine-tuned", "model_not_available")
        for role in ("training_file", "validation_file"):
            if (role == "training_file" or role in body) and body.get(role) not in self.files:
                raise RefusedError(400, f"invalid {role}: {body.get(role)}", "invalid_file")
        method = body["method"]
        hyper = method[method["type"]]["hyperparameters"]
        if set(method) != {"type", method["type"]} or set(hyper) - _HYPER[method["type"]]:
            raise RefusedError(400, f"Invalid method: {method}", "invalid_method")
        if not isinstance(hyper["n_epochs"], int) or not 1 <= hyper["n_epochs"] <= 50:
            raise RefusedError(400, "Invalid n_epochs", "invalid_hyperparameters")
        if len(body.get("suffix", "")) > 64:
            raise RefusedError(400, "suffix is too long", "string_above_max_length")
        if any(len(k) > 64 or not isinstance(v, str) or len(v) > 512 for k, v in body.get("metadata", {}).items()):
            raise RefusedError(400, "metadata", "invalid_metadata")
        number = len(self.jobs) + 1
        job = {
            "object": "fine_tuning.job", "id": f"ftjob-{number:04d}", "created_at": NOW + number, "error": None,
            "fine_tuned_model": None, "finished_at": None, "model": body["model"], "organization_id": "org-1",
            "result_files": [], "seed": body.get("seed", 0), "status": "queued", "trained_tokens": None,
            "training_file": body["training_file"], "validation_file": body.get("validation_file"),
            "hyperparameters": hyper, "method": method, "metadata": body.get("metadata"), "suffix": body.get("suffix"),
        }  # fmt: skip
        self.jobs[job["id"]] = job
        self.events[job["id"]], self.checkpoints[job["id"]] = [], []
        job["at"] = 0
        self._tell(job, "Created fine-tuning job: " + job["id"])
        return shown(job)

    def look(self, name: str) -> dict[str, Any]:
        """The job, one step further on its course."""
        job = self._job(name)
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return shown(job)
        status = self.course[min(job["at"], len(self.course) - 1)]
        job["at"] += 1
        if status == "validating_files" and (problem := self._problem(job)):
            job["status"], job["error"] = "failed", problem
            self._tell(job, f"The job failed due to an invalid training file. {problem['message']}", "error")
            return shown(job)
        if status != job["status"]:
            self._tell(job, f"Fine-tuning job is now {status}")
        job["status"] = status
        if status == "succeeded":
            self._finish(job)
        if status == "failed":
            job["error"] = {"code": "server_error", "message": "the machine broke down", "param": None}
        return shown(job)

    def _finish(self, job: dict[str, Any]) -> None:
        name = f"ft:{job['model']}:org:{job['suffix'] or ''}:{job['id'][-4:]}"
        total = len(self.losses)
        for step, loss in enumerate(self.losses, 1):
            data = {"step": step, "total_steps": total, "train_loss": loss, "train_mean_token_accuracy": 0.5}
            data |= {"valid_loss": loss + 0.1} if job["validation_file"] else {}
            data |= {"full_valid_loss": loss + 0.2} if job["validation_file"] and step == total else {}
            self._tell(job, f"Step {step}/{total}: training loss={loss:.2f}", data=data)
        if self.losses:
            metrics = {"step": total, "train_loss": self.losses[-1]}
            metrics |= {"full_valid_loss": self.losses[-1] + 0.2} if job["validation_file"] else {}
            self.checkpoints[job["id"]].append(
                {"object": "fine_tuning.job.checkpoint", "id": "ftckpt-1", "created_at": NOW + 9,
                 "fine_tuned_model_checkpoint": f"{name}:ckpt-step-{total}", "fine_tuning_job_id": job["id"],
                 "metrics": metrics, "step_number": total}
            )  # fmt: skip
        texts = re.findall(r'"content":"([^"]*)"', self.files[job["training_file"]].content.decode())
        job["trained_tokens"] = sum(len(text) // 4 + 4 for text in texts) * job["hyperparameters"]["n_epochs"]
        job["fine_tuned_model"], job["finished_at"] = name, NOW + 600
        self.models.add(name)
        self._tell(job, "The job has successfully completed")

    def cancel(self, name: str) -> dict[str, Any]:
        job = self._job(name)
        if job["status"] in ("succeeded", "failed", "cancelled"):
            raise RefusedError(400, f"Job has already completed: {name}")
        job["status"], job["finished_at"] = "cancelled", NOW + 60
        return shown(job)

    def _job(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise RefusedError(404, f"Could not find fine tune: {name}", "fine_tune_not_found")
        return self.jobs[name]

    def _tell(self, job: dict[str, Any], message: str, level: str = "info", data: Any = None) -> None:
        events = self.events[job["id"]]
        events.append(
            {"object": "fine_tuning.job.event", "id": f"ftevent-{job['id'][-4:]}-{len(events):04d}",
             "created_at": NOW + len(events), "level": level, "message": message, "data": data or {},
             "type": "metrics" if data else "message"}
        )  # fmt: skip

    def _problem(self, job: dict[str, Any]) -> dict[str, Any] | None:
        for role in ("training_file", "validation_file"):
            if job[role] is None:
                continue
            said = problem_of(self.files[job[role]].content, job["method"]["type"], role == "training_file")
            if said:
                return {"code": "invalid_training_file", "message": said, "param": role}
        return None


def shown(job: dict[str, Any]) -> dict[str, Any]:
    """A job as the provider shows it."""
    return {name: value for name, value in job.items() if name not in ("at", "suffix")}


def problem_of(content: bytes, method: str, counted: bool) -> str | None:
    """What is wrong with an uploaded file; None when nothing is."""
    lines = content.decode("utf-8").split("\n")
    if lines.pop() != "":
        return "Expected the last line to end."
    if counted and len(lines) < LEAST_EXAMPLES:
        return f"Training file has {len(lines)} example(s), but must have at least {LEAST_EXAMPLES} examples"
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            return f"Invalid file format. Line {number} is no JSON"
        fits = _is_chat(row) if method == "supervised" else _is_pair(row)
        if not fits:
            return f"Invalid file format. Line {number} is no {method} example"
    return None


def _messages(value: Any, roles: str) -> bool:
    """Whether these are messages whose roles, by their first letters, match the pattern `roles`."""
    if not isinstance(value, list) or not all(isinstance(m, dict) and set(m) == {"role", "content"} for m in value):
        return False
    said = "".join({"system": "s", "user": "u", "assistant": "a"}.get(m["role"], "?") for m in value)
    return re.fullmatch(roles, said) is not None and all(isinstance(m["content"], str) and m["content"] for m in value)


def _is_chat(row: Any) -> bool:
    return isinstance(row, dict) and set(row) == {"messages"} and _messages(row["messages"], "s?(ua)+")


def _is_pair(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {"input", "preferred_output", "non_preferred_output"}
        and set(row["input"]) == {"messages"}
        and _messages(row["input"]["messages"], "s?u(au)*")
        and _messages(row["preferred_output"], "a")
        and _messages(row["non_preferred_output"], "a")
    )


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or is killed, is part of the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    provider: FineTuningServer
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def log_message(self, *_given: Any) -> None:
        pass

    def do_GET(self) -> None:
        provider = self.provider
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            raw = self._chunks()
        line = f"{self.command} {url.path}"
        with provider.lock:
            provider.asked.append(line)
            provider.headers.append({key.lower(): value for key, value in self.headers.items()})
            fault = next((f for f in provider.faults if f.times > 0 and re.fullmatch(f.at, line)), None)
            if fault:
                fault.times -= 1
        if fault and fault.hang_s:
            provider.released.wait(fault.hang_s)
        said = None
        if fault is None or fault.done:
            said = self._route(line, {k: v[-1] for k, v in parse_qs(url.query).items()}, raw)
            provider.before_answer(line)
        if fault:
            return self._fail(fault)
        assert said is not None
        return self._send(*said)

    do_POST = do_DELETE = do_GET  # noqa: N815

    def _chunks(self) -> bytes:
        out = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out

    def _fail(self, fault: Fault) -> None:
        if fault.body is not None:
            return self._send(fault.status or 200, fault.body, fault.headers)
        if fault.status is None:
            self.close_connection = True
            return None
        error = {"message": fault.message, "type": "test", "param": None, "code": fault.code}
        return self._send(fault.status, {"error": error}, fault.headers)

    def _route(self, line: str, query: dict[str, str], raw: bytes) -> tuple[int, Any]:
        provider = self.provider
        try:
            if self.headers.get("authorization") != f"Bearer {KEY}":
                given = (self.headers.get("authorization") or "")[-12:]
                raise RefusedError(401, f"Incorrect API key provided: sk-abcdef{given}", "invalid_api_key")
            if line == "POST /v1/chat/completions":
                return 200, self._chat(json.loads(raw))
            with provider.lock:
                return 200, self._act(line, query, raw)
        except RefusedError as error:
            body = {"message": error.message, "type": "invalid_request_error", "param": None, "code": error.code}
            return error.status, {"error": body}

    def _act(self, line: str, query: dict[str, str], raw: bytes) -> Any:
        provider = self.provider
        verb, *path = line.removeprefix("").replace(" /v1", "", 1).split("/")
        match [verb, *path]:
            case ["POST", "files"]:
                return provider.upload(self._form(raw))
            case ["GET", "files"]:
                return self._page([file.said() for file in reversed(provider.files.values())], query)
            case ["GET", "files", name]:
                return self._file(name).said()
            case ["DELETE", "files", name]:
                provider.files.pop(self._file(name).id)
                return {"id": name, "object": "file", "deleted": True}
            case ["POST", "fine_tuning", "jobs"]:
                return provider.create(json.loads(raw))
            case ["GET", "fine_tuning", "jobs"]:
                return self._page(self._listed(query), query)
            case ["GET", "fine_tuning", "jobs", name]:
                return provider.look(name)
            case ["POST", "fine_tuning", "jobs", name, "cancel"]:
                return provider.cancel(name)
            case ["GET", "fine_tuning", "jobs", name, "events"]:
                provider._job(name)
                return self._page(list(reversed(provider.events[name])), query)
            case ["GET", "fine_tuning", "jobs", name, "checkpoints"]:
                provider._job(name)
                return self._page(list(reversed(provider.checkpoints[name])), query)
            case ["GET", "models", name]:
                if name not in provider.models:
                    raise RefusedError(404, f"The model {name!r} does not exist", "model_not_found")
                return {"id": name, "object": "model", "created": NOW, "owned_by": "org-1"}
        raise RefusedError(404, f"no route {line}")

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        wanted = {key[9:-1]: value for key, value in query.items() if key.startswith("metadata[")}
        jobs = [shown(job) for job in reversed(self.provider.jobs.values())]
        if not self.provider.filters_jobs:
            return jobs
        return [job for job in jobs if wanted.items() <= (job["metadata"] or {}).items()]

    def _page(self, items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        limit = int(query.get("limit", 20))
        names = [item["id"] for item in items]
        start = names.index(query["after"]) + 1 if "after" in query else 0
        return {"object": "list", "data": items[start : start + limit], "has_more": start + limit < len(items)}

    def _file(self, name: str) -> StoredFile:
        if name not in self.provider.files:
            raise RefusedError(404, f"No such File object: {name}")
        return self.provider.files[name]

    def _form(self, raw: bytes) -> dict[str, tuple[str | None, bytes]]:
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parts: Any = BytesParser(policy=HTTP).parsebytes(head + raw)
        if not parts.is_multipart():
            raise RefusedError(400, "no multipart form")
        return {
            part.get_param("name", header="content-disposition"): (part.get_filename(), part.get_payload(decode=True))
            for part in parts.iter_parts()
        }

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        provider = self.provider
        if body["model"] not in provider.models:
            raise RefusedError(404, f"The model {body['model']!r} does not exist", "model_not_found")
        with provider.lock:
            provider.at_once += 1
            provider.most_at_once = max(provider.most_at_once, provider.at_once)
        time.sleep(0.005)
        text = provider.answer(body)
        with provider.lock:
            provider.at_once -= 1
        message = {"role": "assistant", "content": text}
        return {
            "id": "chatcmpl-1", "object": "chat.completion", "created": NOW, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }  # fmt: skip

    def _send(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

"""Defects of the wrapper that the suite must catch, each by the test and for the reason given.

A suite that has never failed proves little. `prove` puts these in one at a time.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """A change for the worse.

    Attributes:
        name: What is wrong with the wrapper.
        module: The file of ``modelgates_speech`` that is changed.
        old: A text that occurs once in it.
        new: What takes its place.
        test: The test that must fail, as seen from ``tests/faults``.
        reason: A pattern for what its failure must say.
    """

    name: str
    module: str
    old: str
    new: str
    test: str
    reason: str


def _cell(fault, client="sync", call="create"):
    return f"test_matrix.py::test_fault[{fault}-{client}-{call}]"


def _cancelled(case):
    test = "test_cancelled_at_any_await_point_a_call_leaves_nothing_behind"
    return f"test_lifetimes.py::{test}[{case}]"


DEFECTS = [
    Defect(
        "speech is bought again after a cut",
        "speech.py",
        """        with self._stream(arguments) as stream:
            return stream.read()
""",
        """        try:
            with self._stream(arguments) as stream:
                return stream.read()
        except Exception:
            with self._stream(arguments) as stream:
                return stream.read()
""",
        _cell("reset-inside-the-body"),
        "requests reached the server",
    ),
    Defect(
        "500 is retried",
        "retry.py",
        "frozenset({429, 502, 503})",
        "frozenset({429, 500, 502, 503})",
        _cell("500-with-null"),
        "requests reached the server",
    ),
    Defect(
        "read timeouts are retried",
        "retry.py",
        "read_timeouts: bool = False",
        "read_timeouts: bool = True",
        _cell("stall-before-the-headers", "async"),
        "requests reached the server",
    ),
    Defect(
        "a broken connection is retried though the request was sent",
        "retry.py",
        "error.transient and not error.request_sent",
        "error.transient",
        _cell("reset-before-the-headers", "async"),
        "requests reached the server",
    ),
    Defect(
        "one try too many",
        "retry.py",
        "if retries >= self.max_retries",
        "if retries > self.max_retries",
        _cell("503-with-HTML", "async"),
        "requests reached the server",
    ),
    Defect(
        "Retry-After is ignored",
        "retry.py",
        "asked = error.retry_after if isinstance(error, APIStatusError) else None",
        "asked = None",
        _cell("429-with-Retry-After-in-seconds"),
        "seconds to wait",
    ),
    Defect(
        "Retry-After has no limit",
        "retry.py",
        "return None if asked > self.max_retry_after else max(asked, backoff)",
        "return max(asked, backoff)",
        _cell("429-with-Retry-After-of-an-hour"),
        "requests reached the server",
    ),
    Defect(
        "the waiting may outlast the deadline",
        "base.py",
        "if wait is not None and wait >= deadline.left():",
        "if False:",
        _cell("503-with-a-Retry-After-beyond-the-deadline"),
        "requests reached the server",
    ),
    Defect(
        "there is no deadline",
        "deadline.py",
        "self.expires = math.inf if seconds is None else time.monotonic() + seconds",
        "self.expires = math.inf",
        _cell("stall-before-the-headers-past-the-deadline", "async"),
        "APIConnectionError",
    ),
    Defect(
        "dripped headers outlive the deadline",
        "transport.py",
        "_backend: Any = Backend",
        "_backend: Any = httpcore2.SyncBackend",
        _cell("headers-dripped-a-byte-at-a-time"),
        "IncompleteAudioError",
    ),
    Defect(
        "an untrusted certificate is tried again",
        "replies.py",
        "transient=not (untrusted or plain),",
        "transient=True,",
        _cell("the-certificate-is-not-trusted"),
        "'transient', True",
    ),
    Defect(
        "any certificate will do",
        "transport.py",
        "ssl_context=trusted() if",
        "ssl_context=ssl._create_unverified_context() if",
        _cell("the-certificate-is-not-trusted", "async"),
        "the call should have failed",
    ),
    Defect(
        "redirects are followed",
        "transport.py",
        "                response = await "
        "self.waiting.ask(engine, self._outgoing(request, border))\n",
        "                response = await "
        "self.waiting.ask(engine, self._outgoing(request, border))\n"
        """                if target := dict(response.headers).get(b"Location"):
                    response.close()
                    request = request._replace(url=target.decode())
                    other = Transport.maker(request.url)()._engines.take()
                    response = other.handle_request(self._outgoing(request, border))
""",
        _cell("307-to-another-host"),
        "the call should have failed",
    ),
    Defect(
        "refusals keep their connection",
        "replies.py",
        "async with contextlib.aclosing(self):",
        "if self:",
        _cell("400-with-64-MiB"),
        "became free",
    ),
    Defect(
        "the body of a refusal is read whole",
        "replies.py",
        "return body[:MAX_EXCERPT]",
        "return body",
        _cell("400-with-64-MiB", "async"),
        r"\('body'",
    ),
    Defect(
        "the generated parser's exceptions come through",
        "call.py",
        "    except Exception as error:\n        raise InvalidResponseError(",
        "    except ZeroDivisionError as error:\n        raise InvalidResponseError(",
        _cell("400-with-HTML"),
        "JSONDecodeError",
    ),
    Defect(
        "a cut gzip body passes for complete",
        "audio.py",
        "if self._expander is not None and not self._expander.whole:",
        "if False:",
        _cell("gzip-cut-short"),
        "the call should have failed",
    ),
    Defect(
        "half a sample passes for complete",
        "audio.py",
        """        if self._rest:
            raise self.cut(""",
        """        if False:
            raise self.cut(""",
        _cell("no-length-given-and-an-odd-byte-at-the-end", "async"),
        "the call should have failed",
    ),
    Defect(
        "JSON passes for audio",
        "formats/__init__.py",
        "    may_be = prose or _TEXT.match(start)",
        "    may_be = None",
        _cell("JSON-under-an-audio-type"),
        "the call should have failed",
    ),
    Defect(
        "what arrived before a cut is lost",
        "audio.py",
        'left = b"".join((self._head, *self._ready, self._rest))',
        'left = b""',
        _cell("cut-in-the-middle-of-a-sample", "async"),
        r"assert b'.*' == b'",
    ),
    Defect(
        "errors cannot be unpickled",
        "errors.py",
        "    def __reduce__(self)",
        "    def reduce(self)",
        _cell("400-with-null"),
        "missing 1 required keyword-only argument",
    ),
    Defect(
        "request_sent is always true",
        "replies.py",
        "sent = self.sent and not names & _NOT_SENT",
        "sent = True",
        _cell("connection-refused", "async"),
        "the connection to",
    ),
    Defect(
        "the key is in the repr",
        "base.py",
        '''known = f"base_url={self.base_url!r}"''',
        '''known = f"{self._settings.api_key.secret().bearer()}"''',
        "test_secrets.py::test_no_public_object_shows_the_key[sync]",
        "the key is in the repr of",
    ),
    Defect(
        "the key is in the log",
        "transport.py",
        "                response = await "
        "self.waiting.ask(engine, self._outgoing(request, border))\n",
        """                sent = self._outgoing(request, border)
                __import__("logging").getLogger("modelgates_speech").debug("%s", sent.headers)
                response = await self.waiting.ask(engine, sent)
""",
        _cell("400-with-null"),
        "the key is in the log",
    ),
    Defect(
        "frames below hold the key",
        "replies.py",
        "        link.__traceback__ = None",
        "        pass",
        _cancelled("unnamed-create-healthy-task"),
        "the key is in the traceback with locals of CancelledError",
    ),
    Defect(
        "the key goes over plain http",
        "config.py",
        'if parts.scheme == "http" and not (is_loopback(host) or allow_plain_http):',
        "if False:",
        "test_arguments.py::test_plain_http_to_another_machine_is_refused_before_connecting",
        "DID NOT RAISE",
    ),
    Defect(
        "headers can be injected",
        "config.py",
        "if not isinstance(value, str) or not _VALUE.fullmatch(value):",
        "if False:",
        "test_arguments.py::test_what_cannot_be_said_is_refused_before_connecting"
        "[sync-a line break in a header-create]",
        "APIConnectionError",
    ),
    Defect(
        "NaN is sent",
        "call.py",
        "allow_nan=False",
        "allow_nan=True",
        "test_arguments.py::test_what_cannot_be_said_is_refused_before_connecting"
        "[sync-a speed that is NaN-create]",
        "NoneType.*ConfigurationError",
    ),
    Defect(
        "files are written in place",
        "files.py",
        "        folder = self._target.parent\n        if hasattr",
        "        return os.open(self._target, os.O_CREAT | os.O_TRUNC | os.O_RDWR, _MODE)\n"
        "        folder = self._target.parent\n        if hasattr",
        _cell("reset-inside-the-body", "sync", "save over"),
        "assert {'a.pcm': b'",
    ),
    Defect(
        "a full disk goes unnoticed",
        "files.py",
        "                view = view[self._file.write(view) :]",
        "                self._file.write(view)\n                return",
        "test_files.py::test_a_full_disk_leaves_the_old_file_and_the_audio_that_was_paid_for"
        "[unnamed-sync]",
        "IndexError",
    ),
    Defect(
        "litter is left behind",
        "files.py",
        "            self._temporary.unlink(missing_ok=True)",
        "            pass",
        "test_files.py::test_ctrl_c_before_any_audio_leaves_the_old_file_and_no_litter[named-sync]",
        r"\.a\.wav\.",
    ),
    Defect(
        "a thread outlives the cancelled call",
        "waiting.py",
        "    async with anyio.create_task_group() as tasks:\n        tasks.start_soon(run)",
        "    await run()",
        "test_lifetimes.py::test_a_cancelled_save_waits_for_the_disk_before_it_drops_the_file",
        r"\['drop'(, 'written')?\]",  # on a slow machine the thread is at it still
    ),
    Defect(
        "a cancelled call keeps its place in the queue",
        "transport.py",
        "                await self.done(engine, failed=True)\n                raise",
        "                raise",
        _cancelled("unnamed-create-healthy-task"),
        "became free",
    ),
    Defect(
        "a proxy named by the environment is passed by",
        "proxies.py",
        "    if name is None:",
        "    if True:",
        "test_proxies.py::"
        "test_calls_go_through_the_proxy_that_the_environment_names[sync-ALL_PROXY]",
        "assert b'' == |reached for speech.example",
    ),
    Defect(
        "authorities are trusted that the environment does not name",
        "transport.py",
        "return ssl.create_default_context(cafile=file, capath=folder)",
        "return ssl.create_default_context()",
        "test_proxies.py::test_a_file_of_certificates_that_is_not_there_is_a_matter_of_configuration"
        "[sync]",
        "DID NOT RAISE|no connection to |reached for speech.example",
    ),
    Defect(
        "closing a copy closes the original",
        "client.py",
        "        if not closed and self._owner is None:\n            for",
        "        if not closed:\n            for",
        "test_lifetimes.py::test_copies_share_the_connection_and_closing_one_leaves_the_others[sync]",
        "assert 5 == 1|connections",
    ),
    Defect(
        "a call that began before its client was closed keeps its connection",
        "engines.py",
        "        if self._ended:\n",
        "        if False:\n",
        "test_lifetimes.py::test_a_call_that_the_end_of_its_client_overtakes_keeps_no_connection",
        "never seen: 1 connections open",
    ),
    Defect(
        "a forked child uses its parent's connection",
        "base.py",
        "        self._transports.clear()",
        "        pass",
        "test_lifetimes.py::test_a_forked_child_makes_a_connection_of_its_own",
        "assert 1 == 2",
    ),
    Defect(
        "a stream that nobody holds keeps its connection",
        "streams.py",
        "        self._opened[0].abandon()",
        "        self._opened[0].status",
        "test_dropped.py::test_streams_that_are_dropped_give_their_connections_back[sync]",
        "became free",
    ),
    Defect(
        "nobody is told of a stream that was dropped",
        "streams.py",
        "            ResourceWarning,",
        "            DeprecationWarning,",
        "test_dropped.py::test_streams_that_are_dropped_give_their_connections_back[async]",
        "DID NOT WARN|DeprecationWarning",
    ),
    Defect(
        "an event loop that has ended is remembered",
        "loops.py",
        "        kept.pop(loop, None)",
        "        pass",
        "test_dropped.py::test_a_client_forgets_the_loops_that_have_ended[trio]",
        "loops are remembered",
    ),
    Defect(
        "a port in NO_PROXY is overlooked",
        "proxies.py",
        'proxy_bypass(f"{named}:{port}")',
        "proxy_bypass(host)",
        "test_proxies.py::test_no_proxy_names_servers_in_all_the_usual_forms",
        r"gw\.example|fd00",
    ),
    Defect(
        "a network in NO_PROXY is overlooked",
        "proxies.py",
        "if address in ipaddress.ip_network(",
        "if not ipaddress.ip_network(",
        "test_proxies.py::test_no_proxy_names_servers_in_all_the_usual_forms",
        r"10\.1\.2\.3",
    ),
    Defect(
        "a message does not say which server was meant",
        "base.py",
        'f"{urlsplit(settings.base_url).netloc}{transport.via}",',
        '"the server",',
        "test_messages.py::test_a_message_names_the_server_and_the_seconds",
        "assert",
    ),
    Defect(
        "a WAV under another type gets a second header",
        "formats/__init__.py",
        "    found = _marked(head, at_end=at_end)",
        '    found = ""',
        "test_formats.py::test_a_wav_is_saved_as_it_is_whatever_its_type"
        "[sync-application/octet-stream]",
        "assert b'RIFF",
    ),
    Defect(
        "samples pass for the container that their type names",
        "formats/__init__.py",
        'return "unknown" if named in _MARKED else named',
        "return named",
        "test_formats.py::test_what_the_file_cannot_hold_is_in_the_error",
        "DID NOT RAISE",
    ),
    Defect(
        "an MP3 has no length",
        "formats/__init__.py",
        'return Frames() if format == "mp3" else',
        "return",
        "../unit/test_formats.py::test_every_container_that_is_known_tells_its_length",
        "None == 1.0",
    ),
    Defect(
        "what PCM is taken for cannot be said",
        "base.py",
        "call.response_format, settings.sample_rate",
        "call.response_format, DEFAULT_RATE",
        "test_formats.py::test_what_pcm_is_taken_for_can_be_said",
        "24000",
    ),
    Defect(
        "a pipe is replaced by a file",
        "files.py",
        "        if not (stat.S_ISREG(found.st_mode) and self._target.exists()):",
        "        if stat.S_ISCHR(found.st_mode):",
        "test_files.py::test_a_pipe_without_a_reader_is_noticed_before_anything_is_sent",
        "DID NOT RAISE",
    ),
    Defect(
        "temporary names are cut in characters",
        "files.py",
        "shortened(self._target.name, 64)",
        "self._target.name[:64]",
        "../unit/test_files.py::test_a_very_long_name_fits_with_its_temporary",
        "File name too long",
    ),
    Defect(
        "a mount is noticed when its audio is paid for",
        "files.py",
        "        if _is_mount(self._target):",
        "        if False:",
        "test_files.py::test_a_file_that_is_a_mount_by_itself_is_refused_before_anything_is_sent",
        "mount its folder",
    ),
    Defect(
        "a child keeps the locks that a fork has caught",
        "forks.py",
        "    os.register_at_fork(after_in_child=_renew)",
        "    pass",
        "test_lifetimes.py::test_a_child_forked_while_a_thread_counts_the_cache_speaks_from_it",
        "'status': -14",
    ),
    Defect(
        "a child keeps the folder of a batch",
        "jobs/results.py",
        "            _lock(self._holder, take=False)",
        "            pass",
        "../jobs/test_batch.py::test_a_copy_of_the_lock_that_a_child_may_have_keeps_nobody_out",
        "another batch is writing",
    ),
    Defect(
        "a mistyped argument is an error of Python's alone",
        "arguments.py",
        "error.__traceback__.tb_next is not None",
        "True",
        "../unit/test_arguments.py::test_a_method_names_itself_and_the_nearest_argument",
        "TypeError: SpeechMethods",
    ),
    Defect(
        "a batch goes on though its server is dead",
        "jobs/batch.py",
        "            most = self._limiter.ceiling",
        "            pass",
        "../jobs/test_batch.py::test_a_dead_server_stops_the_batch_which_resumes_later[8]",
        "assert 5[0-9] <",
    ),
    Defect(
        "a batch goes on though all its rows fail alike",
        "jobs/batch.py",
        "most = MOST_ALIKE if",
        "most = math.inf if",
        "../jobs/test_batch.py::"
        "test_a_batch_whose_rows_all_fail_alike_stops_and_resumes_later[403]",
        r"assert \d+ < \(50",
    ),
    Defect(
        "a batch pays before it knows that the file cannot be",
        "jobs/batch.py",
        "async with AtomicFile(path) as file, self._speech.stream(**request) as stream:",
        "async with self._speech.stream(**request) as stream, AtomicFile(path) as file:",
        "../jobs/test_batch.py::test_a_row_whose_file_cannot_be_is_not_paid_for_and_stops_no_other",
        "assert 4 == 3",
    ),
    Defect(
        "a batch that is cancelled forgets what is under way",
        "jobs/batch.py",
        "        with anyio.CancelScope(shield=True) as scope:",
        "        with anyio.CancelScope() as scope:",
        "../jobs/test_batch.py::test_a_batch_that_is_cancelled_records_what_is_under_way[asyncio]",
        "FileNotFoundError|assert",
    ),
    Defect(
        "a narration that is left forgets what is under way",
        "jobs/workers.py",
        "        while self._settings.keeps and self._line.pending and not self._closed:",
        "        while False:",
        "../jobs/test_what_is_paid_for.py::"
        "test_a_narration_that_is_left_keeps_what_is_under_way[None]",
        "assert 1[0-9] == 7|assert",
    ),
    Defect(
        "a connection with more than its reply is used again",
        "replies.py",
        "        if heard is None:",
        "        if True:",
        "test_bystanders.py::test_bytes_after_a_reply_are_not_taken_for_the_next_one",
        "assert",
    ),
    Defect(
        "the caller's own exception is cleansed",
        "replies.py",
        "seen: set[int] = {id(self._before)}",
        "seen: set[int] = set()",
        "test_bystanders.py::"
        "test_an_exception_that_the_caller_is_handling_keeps_its_traceback[sync]",
        "assert None is not None",
    ),
    Defect(
        "a stream whose event loop has ended passes for whole",
        "waiting.py",
        'if getattr(pieces, "ag_frame", self) is None:',
        "if False:",
        "test_bystanders.py::test_a_stream_that_outlives_its_event_loop_does_not_pass_for_whole",
        "DID NOT RAISE",
    ),
    Defect(
        "an error class of the program's own is raised",
        "errors.py",
        "if sub.__module__ == __name__)",
        ")",
        "test_bystanders.py::"
        "test_errors_that_a_program_derives_from_ours_are_never_raised_by_us[sync]",
        "AttributeError|OwnStatusError|TypeError",
    ),
    Defect(
        "a part passes for the whole",
        "formats/media_type.py",
        "    length = part[1] if part else headers.get",
        "    length = headers.get",
        "../unit/test_audio.py::test_a_part_of_the_audio_does_not_pass_for_all_of_it[4000-False]",
        "DID NOT RAISE",
    ),
    Defect(
        "a quote that is never closed makes one row of many",
        "jobs/manifest.py",
        ", strict=True",
        "",
        "../jobs/test_odd_input.py::test_a_manifest_that_is_not_what_it_seems_is_refused",
        "DID NOT RAISE",
    ),
    Defect(
        "the results of somebody else are emptied",
        "jobs/results.py",
        "            if foreign:",
        "            if False:",
        "../jobs/test_odd_input.py::test_a_results_file_of_somebody_else_is_left_alone",
        "DID NOT RAISE|AttributeError",
    ),
    Defect(
        "a cache that is cleared takes a user's files along",
        "jobs/cache.py",
        'if _ENTRY.fullmatch(f"{shard.name}{entry.name}"):',
        "if entry.name.endswith(_SUFFIX):",
        "../jobs/test_odd_input.py::test_clearing_a_cache_leaves_what_is_not_its_own",
        "assert",
    ),
    Defect(
        "a file that is write-protected is replaced",
        "files.py",
        "if not os.access(self._target, os.W_OK):",
        "if False:",
        "../unit/test_mistakes.py::"
        "test_a_file_that_is_write_protected_is_refused_before_anything_is_paid_for",
        "DID NOT RAISE",
    ),
]

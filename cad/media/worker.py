# SPDX-License-Identifier: Apache-2.0
"""main decodes for the reader in a process of its own: one file at a time, under the kernel's limits.

``cad.media.process`` starts it, and hostile bytes are parsed nowhere else. Besides numpy and PyAV it imports nothing
heavy.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple
from typing import Any

import av
import numpy as np
from av.error import MemoryError as AvMemoryError
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME
from cad.errors import DecoderCrashedError, MediaError, MediaLimitError
from cad.media.audio import AudioPlacer
from cad.media.channel import Channel, ChannelClosedError
from cad.media.container import OpenContainer
from cad.media.grid import PicturePlacer, StampFilter
from cad.media.limits import MediaLimits
from cad.media.messages import Progress
from cad.media.picture import PictureConverter, PictureForm, form_of
from cad.media.probe import probe
from cad.media.records import MediaInfo, MediaKind
from cad.media.ring import SharedBlock, buffers_in
from cad.media.sandbox import apply_limits, die_with, set_alarm
from cad.media.seccomp import refuse_system_calls
from cad.media.slots import SlotAssembler
from cad.media.stamps import StampReader, frames_per_second

#: A sign of life is sent this often while nothing else is.
BEAT_SECONDS = 0.5
#: Slots of sound in one message.
AUDIO_BLOCK_SLOTS = 100


class Link:
    """The channel and the shared block, with the rule that a buffer is written only while it is free.

    Args:
        channel: To the reader.
        block: Shared with the reader.

    Attributes:
        progress: Called for every message, which carries what it returns.
    """

    def __init__(self, channel: Channel, block: SharedBlock) -> None:
        self._channel = channel
        self._block = block
        self._free: list[int] = []
        self._buffers = 0
        self._buffer_bytes = 0
        self._last_sent_seconds = 0.0
        self.progress: Callable[[], Progress] = Progress

    def send(self, message: dict[str, Any]) -> None:
        """Send a message and the progress with it."""
        self._last_sent_seconds = time.monotonic()
        if "buffer" in message:
            message = message | {"offset": message["buffer"] * self._buffer_bytes}
        self._channel.send(message | {"progress": astuple(self.progress())})

    def beat(self) -> None:
        """Send a sign of life if the last message is long ago."""
        if time.monotonic() - self._last_sent_seconds > BEAT_SECONDS:
            self.send({"type": "beat"})

    def layout(self, buffer_bytes: int) -> None:
        """Cut the block into free buffers; to be called when a stream begins."""
        self._buffer_bytes = buffer_bytes
        self._buffers = buffers_in(self._block.size_bytes, buffer_bytes)
        self._free = list(range(self._buffers))

    def wait_for_all(self) -> None:
        """Wait until the reader has given every buffer back, so that the block may be cut anew."""
        while len(self._free) < self._buffers:
            self._take_back()

    def take_buffer(self) -> int:
        """Return a free buffer, waiting for one if need be."""
        while not self._free or self._channel.poll():
            self._take_back()
        return self._free.pop()

    def _take_back(self) -> None:
        message = self._channel.receive()
        if message is None or message.get("type") != "free":
            raise ChannelClosedError("the reader has gone on to something else")
        self._free.append(int(message["buffer"]))

    def view(self, buffer: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return a buffer as an array."""
        offset = buffer * self._buffer_bytes
        return np.ndarray(shape, dtype, buffer=self._block.memory, offset=offset)


class FileJob:
    """What is done with one file.

    Args:
        link: To the reader.
        fd: Descriptor of the file, which belongs to the job.
        name: What errors call the file.
        limits: What it may cost.
    """

    def __init__(self, link: Link, fd: int, name: str, limits: MediaLimits) -> None:
        self._link = link
        self._fd = fd
        self._name = name
        self._limits = limits
        self._info: MediaInfo | None = None

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def open(self) -> None:
        """Probe the file and send its MediaInfo."""
        with OpenContainer(self._fd, self._name, self._limits) as source:
            self._info = probe(source, self._link.beat)
        self._link.send({"type": "info", "info": asdict(self._info)})

    def sound(self) -> None:
        """Decode the sound and send it, block by block."""
        with OpenContainer(self._fd, self._name, self._limits) as source:
            assert source.audio is not None
            link, stamps = self._link, StampFilter()
            placer = AudioPlacer(SlotAssembler(self._send_sound, AUDIO_BLOCK_SLOTS))
            frames = 0
            link.progress = lambda: Progress(frames, placer.decoded_seconds, source.bad_packets + stamps.dropped)
            link.layout(AUDIO_BLOCK_SLOTS * (SAMPLES_PER_FRAME * 4 + 1))
            for seconds, frame in stamps(self._stamped(source, source.audio)):
                frames += 1
                if seconds > self._limits.max_duration_seconds:
                    placer.close()  # what was decoded until here is not lost
                    raise MediaLimitError(
                        self._name, f"goes on after the limit of {self._limits.max_duration_seconds:.0f} s"
                    )
                placer.push(seconds, frame)
            placer.close()
            link.send({"type": "done"})

    def picture(self) -> None:
        """Decode the picture and send the frames that serve a slot, one by one."""
        assert self._info is not None
        with OpenContainer(self._fd, self._name, self._limits) as source:
            assert source.video is not None
            link, fps = self._link, frames_per_second(source.video)
            placer = PicturePlacer(self._info, fps, self._limits, lambda frame: (frame.width, frame.height))
            link.progress = lambda: placer.progress(source.bad_packets)
            converter: PictureConverter | None = None
            for placement, frame in placer(self._stamped(source, source.video)):
                form = form_of(source, frame, None if converter is None else converter.form)
                if converter is None or converter.form != form:
                    if converter is not None:
                        link.wait_for_all()
                    converter = self._start_picture(form)
                buffer = link.take_buffer()
                converter.write(frame, link.view(buffer, (converter.height, converter.width, 3), np.uint8))
                link.send({"type": "frame", "buffer": buffer, **asdict(placement)})
            link.send({"type": "done"})

    def _start_picture(self, form: PictureForm) -> PictureConverter:
        """Return a converter for frames of one form, and tell the reader the size of what it gives."""
        assert self._info is not None
        converter = PictureConverter(form, self._limits, self._info.kind is MediaKind.IMAGE)
        self._link.layout(converter.height * converter.width * 3)
        sides = {"height": converter.height, "width": converter.width, "file_height": converter.file_height}
        self._link.send({"type": "layout", **sides})
        return converter

    def _send_sound(self, first_slot: int, samples: NDArray[np.float32], present: NDArray[np.bool_]) -> None:
        buffer = self._link.take_buffer()
        slots = len(present)
        self._link.view(buffer, (slots * (SAMPLES_PER_FRAME * 4 + 1),), np.uint8)[:] = np.concatenate(
            [samples.view(np.uint8), present.view(np.uint8)]
        )
        self._link.send({"type": "sound", "buffer": buffer, "first_slot": first_slot, "slots": slots})

    def _stamped(self, source: OpenContainer, stream: Any) -> Iterator[tuple[float, Any]]:
        """Yield (grid time, frame)."""
        assert self._info is not None
        stamps = StampReader(stream, self._info.container)
        for frame in source.frames(stream, on_packet=self._link.beat):
            yield stamps.seconds(frame) - self._info.origin_seconds, frame


def serve(channel: Channel, block: SharedBlock) -> None:
    """Do what the reader asks until it closes the channel."""
    link = Link(channel, block)
    link.send({"type": "ready"})
    job: FileJob | None = None
    limits: MediaLimits | None = None
    while True:
        set_alarm(None)
        message = channel.receive()
        if message is None or message["type"] == "free":
            continue
        link.progress = Progress
        try:
            if message["type"] == "open":
                limits = MediaLimits(**message["limits"])
                apply_limits(limits)
                set_alarm(limits)
                if job is not None:
                    job.close()
                job = FileJob(link, channel.take_descriptor(), message["name"], limits)
                job.open()
            elif job is not None:
                set_alarm(limits)
                (job.sound if message["type"] == "audio" else job.picture)()
        except MediaError as error:
            link.send({"type": "error", "code": error.code, "text": error.text})
        except (MemoryError, AvMemoryError):
            link.send({"type": "error", "code": MediaLimitError.code, "text": "needs more memory than it may have"})
        except ChannelClosedError:
            raise
        except Exception as error:
            # Whatever the decoder's binding raises is an answer too, and only this file is lost.
            link.send({"type": "error", "code": DecoderCrashedError.code, "text": f"the decoder failed ({error!r})"})


def main(arguments: list[str]) -> None:
    """Serve the reader at the other end of standard input until it hangs up.

    Args:
        arguments: Block descriptor, block bytes, lifeline descriptor.
    """
    block_fd, block_bytes, lifeline_fd = (int(argument) for argument in arguments)
    channel = Channel(socket.socket(fileno=os.dup(0)), takes_descriptors=True)
    # Libraries that read standard input must not read from the channel.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the reader's to handle
    die_with(lifeline_fd)
    refuse_system_calls()
    av.logging.set_level(None)
    try:
        serve(channel, SharedBlock(block_bytes, block_fd))
    except ChannelClosedError:
        sys.exit(0)

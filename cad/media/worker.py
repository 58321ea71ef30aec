# SPDX-License-Identifier: Apache-2.0
"""main decodes for the reader in a process of its own: one file at a time, under the kernel's limits.

``cad.media.process`` starts it, and hostile bytes are parsed nowhere else. Besides numpy and PyAV it imports nothing
heavy.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import av
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV would import both with the first file that has subtitles, when nothing can be opened
import numpy as np
from av.error import MemoryError as AvMemoryError
from numpy.typing import NDArray

from cad.clock import SAMPLES_PER_FRAME, seconds_of
from cad.errors import DecoderCrashedError, MediaError, MediaLimitError, MissingStreamError
from cad.media.audio import AudioPlacer
from cad.media.channel import Channel, ChannelClosedError
from cad.media.container import OpenContainer, encrypted_error
from cad.media.grid import PicturePlacer, StampFilter
from cad.media.limits import MediaLimits
from cad.media.messages import MEMORY, Placement, Progress
from cad.media.picture import PictureConverter, PictureForm, form_of
from cad.media.picture_size import check_stated_size
from cad.media.probe import probe
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo
from cad.media.ring import SharedBlock, buffers_in
from cad.media.sandbox import check_own_memory, confine, die_with, set_alarm
from cad.media.slots import SlotAssembler
from cad.media.stamps import StampReader
from cad.media.stills import ComposedPicture, composed_picture, is_cut_short, share_of_jpeg
from cad.media.timeline import Timeline

#: A sign of life is sent this often while nothing else is.
BEAT_SECONDS = 0.5
#: FFmpeg's resampler takes no more channels. Source: libswresample, SWR_CH_MAX.
MAX_CHANNELS = 64
#: Slots of sound in one message.
AUDIO_BLOCK_SLOTS = 100
_NO_MEMORY = "needs more memory than it may have"


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
        self._channel.send(message | {"progress": self.progress().values()})

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
        self._timeline = Timeline()
        self._sound_slot = 0  # the first slot of the sound that has not been sent

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def open(self) -> None:
        """Probe the file and send its MediaInfo."""
        check_stated_size(self._fd, self._name, self._limits)
        composed = composed_picture(self._fd, self._name, self._limits)
        if composed is not None:
            self._info = composed.info
            composed.close()
        else:
            with OpenContainer(self._fd, self._name, self._limits) as source:
                self._info, self._timeline = probe(source, self._link.beat)
        tracks: list[VideoStreamInfo | AudioStreamInfo] = [*self._info.videos, *self._info.audios]
        if not tracks:
            raise MissingStreamError(self._name, "has neither picture nor sound")
        if all(_is_locked(one) for one in tracks):
            raise encrypted_error(self._name)
        self._link.send({"type": "info", "info": asdict(self._info)})

    def sound(self, number: int) -> None:
        """Decode the sound of this number and send it, block by block."""
        with OpenContainer(self._fd, self._name, self._limits) as source:
            assert self._info is not None
            stream = source.audios[number - 1]
            if self._skip_locked(next(one for one in self._info.audios if one.number == number)):
                return
            if stream.codec_context.channels > MAX_CHANNELS:
                raise MediaLimitError(
                    self._name, f"has a sound of {stream.codec_context.channels} channels; the limit is {MAX_CHANNELS}"
                )
            link, stamps = self._link, StampFilter(self._end_seconds(stream))
            stop_slot = self._limits.max_sound_slots
            placer = AudioPlacer(SlotAssembler(self._send_sound, AUDIO_BLOCK_SLOTS, stop_slot), source.channels(stream))
            self._sound_slot = 0
            frames = 0
            link.progress = lambda: _counted(
                Progress(frames, placer.decoded_seconds, source.bad_packets + stamps.dropped), source, stamps.dropped
            )
            link.layout(AUDIO_BLOCK_SLOTS * (SAMPLES_PER_FRAME * 4 + 1))
            for seconds, frame in stamps(self._stamped(source, stream)):
                frames += 1
                is_late = seconds > self._limits.max_duration_seconds
                if not is_late:
                    placer.push(seconds, frame)
                if is_late or seconds + frame.samples / frame.sample_rate > seconds_of(stop_slot):
                    placer.close()  # what was decoded until here is not lost
                    raise MediaLimitError(
                        self._name, f"goes on after the limit of {self._limits.max_duration_seconds:.0f} s"
                    )
            placer.close()
            self._finish(source)

    def picture(self, number: int) -> None:
        """Decode the picture of this number and send the frames that serve a slot, one by one."""
        assert self._info is not None
        composed = composed_picture(self._fd, self._name, self._limits)
        if composed is not None:
            self._composed_picture(composed)
            return
        with OpenContainer(self._fd, self._name, self._limits) as source:
            stream = source.videos[number - 1]
            if self._skip_locked(self._info.videos[number - 1]):
                return
            is_cut = is_cut_short(self._fd)
            placer = self._placer(self._info.videos[number - 1].fps, self._end_seconds(stream))
            self._send_picture(
                placer,
                self._stamped(source, stream, self._info.videos[number - 1].fps),
                lambda: _counted(placer.progress(source.bad_packets + is_cut), source, placer.misplaced),
                lambda frame, before: form_of(source, stream, frame, before),
                share_of_jpeg if is_cut and stream.codec_context.name == "mjpeg" else lambda frame: 1.0,
            )
            self._finish(source)

    def _composed_picture(self, composed: ComposedPicture) -> None:
        assert composed.info.video is not None
        placer = self._placer(composed.info.video.fps)
        with closing(composed):
            self._send_picture(
                placer,
                composed.frames(self._link.beat),
                lambda: placer.progress(composed.bad_packets),
                lambda frame, before: PictureForm(frame.width, frame.height, 1.0, composed.orientation),
                composed.share,
            )
        self._link.send({"type": "done"})

    def _placer(self, fps: float, end_seconds: float = -math.inf) -> PicturePlacer:
        assert self._info is not None
        return PicturePlacer(self._info, fps, self._limits, lambda frame: (frame.width, frame.height), end_seconds)

    def _send_picture(
        self,
        placer: PicturePlacer,
        stamped: Iterator[tuple[float, Any]],
        progress: Callable[[], Progress],
        form_of_frame: Callable[[Any, PictureForm | None], PictureForm],
        share: Callable[[Any], float],
    ) -> None:
        """Send the frames that serve a slot.

        Args:
            placer: Tells which do.
            stamped: (grid time, frame).
            progress: Returns how far it has come.
            form_of_frame: Returns the form of a frame, which is given with that of the frame before it.
            share: Returns how much of a still was decoded.
        """
        assert self._info is not None
        link, converter = self._link, None
        link.progress = progress
        for placement, frame in placer(stamped):
            form = form_of_frame(frame, None if converter is None else converter.form)
            if converter is None or converter.form != form:
                if converter is not None:
                    link.wait_for_all()
                converter = self._start_picture(form)
            if self._info.kind is MediaKind.IMAGE:
                link.progress = partial(replace, progress(), seconds=share(frame))
            buffer = link.take_buffer()
            converter.write(frame, link.view(buffer, (converter.height, converter.width, 3), np.uint8))
            link.send({"type": "frame", "buffer": buffer, **placement.values()})

    def _start_picture(self, form: PictureForm) -> PictureConverter:
        """Return a converter for frames of one form, and tell the reader the size of what it gives."""
        assert self._info is not None
        converter = PictureConverter(form, self._limits, self._info.kind is MediaKind.IMAGE)
        self._link.layout(converter.height * converter.width * 3)
        sides = {"height": converter.height, "width": converter.width, "file_height": converter.file_height}
        self._link.send({"type": "layout", **sides})
        return converter

    def _skip_locked(self, stream: VideoStreamInfo | AudioStreamInfo | None) -> bool:
        """Say that nothing of a stream can be decoded, if all of it is encrypted: it could only give noise."""
        if stream is None or not _is_locked(stream):
            return False
        count = stream.encrypted_packets
        self._link.progress = lambda: Progress(lost_packets=count, encrypted_packets=count)
        self._link.send({"type": "done"})
        return True

    def _finish(self, source: OpenContainer) -> None:
        """Say that a stream has been read to its end; only now is it known which packets gave nothing."""
        last = self._link.progress()
        swallowed = min(source.tally.swallowed, last.good_packets)
        self._link.progress = lambda: replace(
            last, good_packets=last.good_packets - swallowed, lost_packets=last.lost_packets + swallowed
        )
        self._link.send({"type": "done"})

    def _send_sound(self, first_slot: int, samples: NDArray[np.float32], present: NDArray[np.bool_]) -> None:
        buffer = self._link.take_buffer()
        slots, missing = len(present), first_slot - self._sound_slot
        self._link.view(buffer, (slots * (SAMPLES_PER_FRAME * 4 + 1),), np.uint8)[:] = np.concatenate(
            [samples.view(np.uint8), present.view(np.uint8)]
        )
        placement = Placement(self._sound_slot, missing, slots)
        self._link.send({"type": "sound", "buffer": buffer, **placement.values()})
        self._sound_slot = first_slot + slots

    def _stamped(self, source: OpenContainer, stream: Any, fps: float = 0.0) -> Iterator[tuple[float, Any]]:
        """Yield (grid time, frame)."""
        assert self._info is not None
        origin = self._info.origin_seconds
        start = self._timeline.start_seconds.get(stream.index, origin)
        stamps = StampReader(stream, self._info.container, start, fps)
        for frame in source.frames(stream, on_packet=self._link.beat, timeline=self._timeline):
            yield stamps.seconds(frame) - origin, frame

    def _end_seconds(self, stream: Any) -> float:
        """Return when a stream ends on the grid by its packets."""
        assert self._info is not None
        return self._timeline.end_seconds.get(stream.index, -math.inf) - self._info.origin_seconds


def _is_locked(stream: VideoStreamInfo | AudioStreamInfo) -> bool:
    return 0 < stream.encrypted_packets == stream.packets


def _counted(progress: Progress, source: OpenContainer, misplaced: int) -> Progress:
    """Return the progress with the packets behind it; frames that could not be placed are lost."""
    tally = source.tally
    misplaced = min(misplaced, tally.fed)
    return replace(
        progress,
        good_packets=tally.fed - misplaced,
        lost_packets=tally.failed + misplaced,
        encrypted_packets=tally.encrypted,
    )


def serve(channel: Channel, block: SharedBlock, limits: MediaLimits, sandbox: list[str]) -> None:
    """Do what the reader asks until it closes the channel.

    Args:
        channel: To the reader.
        block: Shared with it.
        limits: What a file may cost.
        sandbox: What confines this process.
    """
    link = Link(channel, block)
    link.send({"type": "ready", "sandbox": sandbox})
    job: FileJob | None = None
    while True:
        set_alarm(None)
        message = channel.receive()
        if message is None or message["type"] == "free":
            continue
        link.progress = Progress
        try:
            if message["type"] == "open":
                set_alarm(float(message["left_seconds"]))
                if job is not None:
                    job.close()
                job = FileJob(link, channel.take_descriptor(), message["name"], limits)
                job.open()
            elif job is not None:
                set_alarm(float(message["left_seconds"]))
                (job.sound if message["type"] == "audio" else job.picture)(int(message["number"]))
        except MediaError as error:
            link.send({"type": "error", "code": error.code, "text": error.text})
        except (MemoryError, AvMemoryError):
            link.send({"type": "error", "code": MEMORY, "text": _NO_MEMORY})
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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a whole group gets these, and they are the reader's to handle
    die_with(lifeline_fd)
    av.logging.set_level(None)
    try:
        start = channel.receive() or {}
        limits, block = MediaLimits(**start["limits"]), SharedBlock(block_bytes, block_fd)
        check_own_memory(limits)
        serve(channel, block, limits, confine(limits, start["files"], lifeline_fd))
    except ChannelClosedError:
        sys.exit(0)
    except MemoryError:  # outside the work on a file: the limit is below what this process takes by itself, or near it
        channel.send({"type": "error", "code": MEMORY, "text": _NO_MEMORY, "progress": Progress().values()})

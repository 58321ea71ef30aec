# SPDX-License-Identifier: Apache-2.0
"""pair_tracks tells the detector which sounds go with which picture of a file, choose_tracks which are judged.

A file may hold a second camera, a dub, one mono track a microphone, two programs of a broadcast. A picture is never
judged with the sound of another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from cad.errors import MissingStreamError
from cad.media.records import AudioStreamInfo, MediaInfo, MediaKind, VideoStreamInfo

#: What the tracks of each kind are called for people.
NAMES = {"video": "picture", "audio": "sound"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and the sounds that go with it, by their numbers; either may be missing.

    Attributes:
        video: Number of the picture, None for sounds that go with none.
        audios: Numbers of the sounds, the one to be played first.
    """

    video: int | None
    audios: tuple[int, ...]

    @property
    def tracks(self) -> list[tuple[str, int]]:
        """Kind (``video`` or ``audio``) and number of each."""
        pictures = [] if self.video is None else [("video", self.video)]
        return pictures + [("audio", number) for number in self.audios]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A track that is not judged, whatever it holds.

    Attributes:
        kind: ``video`` or ``audio``.
        number: Which of its kind.
        why: ``limit`` (more tracks than are judged) or ``option`` (the caller asked for others).
    """

    kind: str
    number: int
    why: str


def pair_tracks(info: MediaInfo) -> tuple[Scene, ...]:
    """Return the scenes of a file, that of ``info.video`` and ``info.audio`` first; each track is in just one.

    Tracks of one program belong together. Among them the n-th picture goes with the n-th sound where there are as many
    of the one as of the other; else a sound goes with the picture that begins when it does, the first of them in doubt.

    Example:
        >>> from dataclasses import replace
        >>> from cad.media.records import MediaKind
        >>> picture = VideoStreamInfo("h264", 64, 48, 25.0, 0, 0.0, 50, 2.0)
        >>> sound = AudioStreamInfo("aac", 8000, 1, 0.0, 2.0)
        >>> info = MediaInfo("a.mkv", MediaKind.VIDEO, "matroska", 1000, 2.0, 0.0, picture, sound, videos=(picture,),
        ...     audios=(sound, replace(sound, number=2)))
        >>> pair_tracks(info)
        (Scene(video=1, audios=(1, 2)),)
    """
    info = _listed(info)
    sounds_of: dict[int | None, list[AudioStreamInfo]] = {one.number: [] for one in info.videos}
    programs = [*(one.program for one in info.videos), *(one.program for one in info.audios)]
    for program in dict.fromkeys(programs):
        pictures = [one for one in info.videos if one.program == program]
        sounds = [one for one in info.audios if one.program == program]
        for place, sound in enumerate(sounds):
            if len(pictures) == len(sounds):
                partner: int | None = pictures[place].number
            else:
                partner = _nearest(sound, sorted(pictures, key=lambda one: one != info.video))
            sounds_of.setdefault(partner, []).append(sound)
    scenes = []
    for video, sounds in sounds_of.items():
        sounds.sort(key=lambda one: (one != info.audio, not one.is_default))
        scenes.append(Scene(video, tuple(one.number for one in sounds)))
    main = None if info.video is None else info.video.number
    return tuple(sorted(scenes, key=lambda scene: scene.video != main))


def with_only(info: MediaInfo, video: int | None, audio: int | None) -> MediaInfo:
    """Return what the file would say of itself with just this picture and this sound to look at."""
    info = _listed(info)
    return replace(
        info,
        kind=MediaKind.AUDIO if video is None else info.kind,
        video=next((one for one in info.videos if one.number == video), None),
        audio=next((one for one in info.audios if one.number == audio), None),
    )


def _listed(info: MediaInfo) -> MediaInfo:
    """Return ``info`` with the lists of a source that names only one picture and one sound."""
    videos = info.videos or (() if info.video is None else (info.video,))
    return replace(info, videos=videos, audios=info.audios or (() if info.audio is None else (info.audio,)))


def _nearest(sound: AudioStreamInfo, pictures: list[VideoStreamInfo]) -> int | None:
    """Return the number of the picture that begins when the sound does, None without any."""
    nearest = min(pictures, key=lambda one: round(abs(one.start_seconds - sound.start_seconds), 1), default=None)
    return None if nearest is None else nearest.number


def choose_tracks(
    info: MediaInfo,
    videos: Collection[int] | None,
    audios: Collection[int] | None,
    most: int,
) -> tuple[tuple[Scene, ...], tuple[LeftOut, ...]]:
    """Return the scenes that are judged, and the tracks that are not.

    Args:
        info: Of the file.
        videos: Numbers of the pictures that the caller asks for; None: all, or those of the sounds asked for.
        audios: Numbers of the sounds, likewise.
        most: How many tracks of each kind are judged, those of the first scenes.

    Raises:
        MissingStreamError: There is no track of a number that is asked for.
    """
    info = _listed(info)
    for kind, wanted, there in (("video", videos, info.videos), ("audio", audios, info.audios)):
        if unknown := sorted(set(wanted or ()) - {one.number for one in there}):
            count = f"{len(there)} {NAMES[kind]}{'s' if len(there) != 1 else ''}" if there else f"no {NAMES[kind]}"
            raise MissingStreamError(info.path, f"has no {NAMES[kind]} {unknown[0]}: it has {count}")
    chosen, left_out = [], []
    room = {"video": most, "audio": most}

    def take(kind: str, number: int, *, is_wanted: bool) -> bool:
        if is_wanted and room[kind] > 0:
            room[kind] -= 1
            return True
        left_out.append(LeftOut(kind, number, "limit" if is_wanted else "option"))
        return False

    for scene in pair_tracks(info):
        is_asked = _asks(scene, videos, audios)
        sounds = tuple(
            number for number in scene.audios if take("audio", number, is_wanted=_wants(number, audios, is_asked))
        )
        video = scene.video
        if video is not None and not take("video", video, is_wanted=_wants(video, videos, is_asked)):
            video = None
        if video is not None or sounds:
            chosen.append(Scene(video, sounds))
    return tuple(chosen), tuple(left_out)


def _asks(scene: Scene, videos: Collection[int] | None, audios: Collection[int] | None) -> bool:
    """Say whether the caller asks for any track of a scene; whoever asks for none asks for all."""
    if videos is None and audios is None:
        return True
    return scene.video in (videos or ()) or bool(set(scene.audios) & set(audios or ()))


def _wants(number: int, wanted: Collection[int] | None, scene_is_asked_for: bool) -> bool:
    return scene_is_asked_for if wanted is None else number in wanted

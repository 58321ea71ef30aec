// SPDX-License-Identifier: Apache-2.0
// The rules that turn calibrated evidence into a label, with the codes of the reasons. As cad/verdict/charges.py,
// decide.py, reasons.py and validity.py; the sentences are in reasons.mjs.

import { runsOf, flipShortRuns } from './runs.mjs';
import { median } from './numbers.mjs';

/** A stretch goes on while the probability stays above this share of the threshold that started it. */
const RELEASE_SHARE = 0.8;
/** Stretches with no more than this between them are one, and shorter ones are not told. As cad/verdict/segments.py. */
const MERGE_GAP_SLOTS = 5;
const MIN_SEGMENT_SLOTS = 5;

const NO_VERDICT = 'no_verdict';
const FAKE = 'fake';
const NOT_REAL = 'not_real';
const NOTE = 'note';

/** One piece of evidence beside its thresholds; what only accuses has a say only where it makes the file fake. */
function charge(found, kind, head, probability, point = found.points[head] ?? null, onlyAccuses = false) {
  return {
    kind,
    probability,
    point,
    isProven: point !== null && probability >= point.fake_threshold,
    isBetween:
      point !== null && !onlyAccuses && point.real_threshold <= probability && probability < point.fake_threshold,
    onlyAccuses,
    isCalibrated: !found.uncalibrated.includes(head),
  };
}

/** The pieces of evidence that may make the file fake by themselves. */
function findCharges(found) {
  const { probabilities, points } = found;
  const heads = probabilities.fused !== null ? ['fused'] : ['video', 'audio'];
  const given = heads.filter((head) => probabilities[head] !== null);
  const charges = given.map((head) => charge(found, head, head, probabilities[head]));
  if (found.listeners !== null) charges.push(charge(found, 'listener', 'video', found.listeners));
  for (const stream of streamsBeside(found)) {
    const point = points[`${stream}_alone`];
    if (point) charges.push(charge(found, stream, stream, probabilities[stream], point, true));
  }
  for (const { peak, probability, point } of found.peaks) {
    if (point !== null) charges.push(charge(found, `${peak.stream}_peak`, null, probability, point));
  }
  return charges;
}

/** The streams that the fused head has judged with others. */
function streamsBeside({ probabilities }) {
  if (probabilities.fused === null) return [];
  return ['video', 'audio'].filter((stream) => probabilities[stream] !== null);
}

function findFaces(found) {
  return found.faces
    .filter((face) => face.own !== null)
    .map((face) => {
      const head = face.fused === null ? 'video' : 'fused';
      return { ...face, head, ...charge(found, 'face', head, face.own) };
    });
}

/** Where the curve of a stream reaches its threshold. */
export function segmentsOf(found) {
  const segments = [];
  for (const [stream, curve] of Object.entries(found.curves)) {
    const point = found.points[stream];
    if (!point) continue;
    const chosen = new Uint8Array(curve.length);
    const above = curve.map((value) => (value >= RELEASE_SHARE * point.fake_threshold ? 1 : 0));
    for (const [start, stop] of runsOf(above)) {
      if (curve.subarray(start, stop).some((value) => value >= point.fake_threshold)) chosen.fill(1, start, stop);
    }
    for (const [start, stop] of runsOf(flipShortRuns(chosen, false, MERGE_GAP_SLOTS, false))) {
      if (stop - start >= MIN_SEGMENT_SLOTS) segments.push({ stream, firstSlot: start, stopSlot: stop });
    }
  }
  return segments;
}

/** The constant lag of the sound behind the lips in seconds; null where there is none, or it varies. */
function constantOffset(offsets, c) {
  if (offsets.length < c.MIN_OFFSET_WINDOWS) return null;
  const middle = median(offsets);
  const near = offsets.filter((offset) => Math.abs(offset - middle) <= c.MAX_OFFSET_SPREAD_SECONDS);
  const isSteady = near.length / offsets.length >= c.CONSTANT_SHARE;
  return isSteady && Math.abs(middle) >= c.MIN_OFFSET_SECONDS ? middle : null;
}

/** Returns every reason that holds as {code, effect}, in the order in which they are told. */
function findReasons(found, charges, c) {
  const { analysis, probabilities, points, heads } = found;
  const { media } = analysis;
  const proven = (kind) => charges.some((one) => one.kind === kind && one.isProven);
  const reaches = (head, threshold) =>
    points[head] !== undefined && probabilities[head] !== null && probabilities[head] >= points[head][threshold];
  const isSuspicious = (head) => reaches(head, 'real_threshold');
  const looksReal = (head) => points[head] !== undefined && probabilities[head] !== null && !isSuspicious(head);
  const isJudged = (stream) => probabilities[stream] !== null || probabilities.fused !== null;
  const faces = findFaces(found);
  const isOutOfSync = reaches('sync', 'fake_threshold');
  const otherwiseProven = [...charges.map((one) => ({ ...one, head: one.kind })), ...faces].some(
    (one) => one.isProven && one.head !== 'fused',
  );
  const onlySync = isOutOfSync && !isSuspicious('video') && !isSuspicious('audio') && !otherwiseProven;
  const alone = (stream) =>
    streamsBeside(found).includes(stream) && reaches(stream, 'fake_threshold') && !proven(stream);
  const provenFaces = faces.filter((face) => face.isProven);
  const onlyFaceSaidAlready = faces.length === 1 && proven(faces[0].head);
  const frozen = analysis.kind === 'still' ? [] : frozenFaces(analysis);
  const judgedFaces = analysis.evidence.faces;
  const carriers = judgedFaces.filter((face) => face.carriesSound);
  const deciding = carriers.length ? carriers : judgedFaces;
  const onlyFrozen = frozen.length > 0 && deciding.every((face) => frozen.includes(face.trackId));
  const seen = analysis.tracks.some((track) => track.seenSlots > 0);
  const tallest = analysis.tracks.reduce((most, track) => Math.max(most, track.heightPx), 0);
  const isTooShort = analysis.slots < analysis.minSlots;
  const expects = (stream) => heads.includes(stream) && !isTooShort;
  const segments = segmentsOf(found);
  const isShort = (stream) =>
    segments.some((one) => one.stream === stream) &&
    probabilities[stream] !== null &&
    !reaches(stream, 'fake_threshold') &&
    !proven(`${stream}_peak`);
  const offset = constantOffset(analysis.evidence.offsetsSeconds, c);
  const hasPicture = media.hasVideo;
  const pictureUnreadable = hasPicture && !media.frames && !isJudged('video') && !analysis.tracks.length;
  const isSparse =
    analysis.kind === 'talking_head' &&
    hasPicture &&
    media.frames > 0 &&
    media.coverage >= c.FULL_COVERAGE &&
    media.frames < c.MIN_PICTURES_PER_SECOND * media.pictureSeconds;
  const large = (track) => track.seenSlots > 0 && track.heightPx >= c.MIN_FACE_HEIGHT_PX;
  const rows = [
    ['low_coverage', NO_VERDICT, media.coverage < c.MIN_COVERAGE],
    ['partly_read', NOT_REAL, media.coverage >= c.MIN_COVERAGE && media.coverage < c.FULL_COVERAGE],
    ['picture_unreadable', NOT_REAL, pictureUnreadable],
    ['audio_unreadable', NOT_REAL, media.hasAudio && analysis.speechSlots === null],
    ['sparse_picture', NOT_REAL, isSparse],
    ['too_short', NO_VERDICT, isTooShort],
    ['fused_evidence', FAKE, proven('fused') && !onlySync],
    ['video_evidence', FAKE, proven('video')],
    ['audio_evidence', FAKE, proven('audio')],
    ['listener_evidence', FAKE, proven('listener')],
    ['video_peak_evidence', FAKE, proven('video_peak')],
    ['audio_peak_evidence', FAKE, proven('audio_peak')],
    ['sync_only', NOT_REAL, onlySync],
    ['out_of_sync', NOT_REAL, isOutOfSync && !onlySync],
    ['face_evidence', NOT_REAL, provenFaces.length > 0 && !onlyFaceSaidAlready],
    ['video_alone', NOT_REAL, alone('video')],
    ['audio_alone', NOT_REAL, alone('audio')],
    ['uncalibrated', NOT_REAL, charges.some((one) => one.point === null)],
    ['uncalibrated', NOTE, charges.some((one) => !one.isCalibrated)],
    ['between_thresholds', NOT_REAL, charges.some((one) => one.isBetween) && !charges.some((one) => one.isProven)],
    ['picture_not_judged', NOT_REAL, hasPicture && !isJudged('video') && looksReal('audio')],
    ['frozen_picture', NOT_REAL, onlyFrozen],
    ['no_picture', NOTE, !hasPicture],
    ['no_face', NOTE, hasPicture && !seen && !pictureUnreadable],
    ['face_too_small', NOTE, seen && probabilities.video === null && tallest < c.MIN_FACE_HEIGHT_PX],
    ['face_too_short', NOTE, analysis.tracks.some(large) && probabilities.video === null && expects('video')],
    ['no_audio', NOTE, !media.hasAudio],
    ['no_speech', NOTE, media.hasAudio && analysis.speechSlots === 0],
    ['speech_too_short', NOTE, analysis.speechSlots > 0 && probabilities.audio === null && expects('audio')],
    [
      'never_together',
      NOTE,
      probabilities.sync === null &&
        heads.includes('sync') &&
        probabilities.video !== null &&
        probabilities.audio !== null,
    ],
    ['no_video_head', NOTE, !heads.includes('video')],
    ['no_audio_head', NOTE, !heads.includes('audio')],
    ['no_sync_head', NOTE, !heads.includes('sync')],
    ['short_stretches', NOTE, ['video', 'audio', 'sync'].some(isShort)],
    ['constant_offset', NOTE, offset !== null && isSuspicious('sync')],
    ['frozen_face', NOTE, frozen.length > 0 && !onlyFrozen],
    ['still_image', NOTE, analysis.kind === 'still'],
    ['several_faces', NOTE, faces.length > 1],
    ['faces_left_out', NOTE, analysis.facesLeftOut > 0],
  ];
  const holding = rows.filter(([, , holds]) => holds).map(([code, effect]) => ({ code, effect }));
  return holding.filter(({ code }, i) => holding.findIndex((other) => other.code === code) === i);
}

function frozenFaces(analysis) {
  const still = new Set(analysis.tracks.filter((track) => track.isFrozen).map((track) => track.trackId));
  return analysis.evidence.faces.map((face) => face.trackId).filter((trackId) => still.has(trackId));
}

/**
 * Returns the label of a file, its probability and the codes of every reason that holds for it.
 * @param {object} found what calibrate returned
 * @param {object} c constants of the kit's part `verdict`
 */
export function decide(found, c) {
  const charges = findCharges(found);
  const reasons = findReasons(found, charges, c);
  const has = (effect) => reasons.some((reason) => reason.effect === effect);
  const deciding = charges.filter((one) => one.isProven || !one.onlyAccuses).map((one) => one.probability);
  let label = 'real';
  if (!charges.length || has(NO_VERDICT)) label = 'inconclusive';
  else if (has(FAKE)) label = 'fake';
  else if (has(NOT_REAL)) label = 'inconclusive';
  return {
    label,
    probabilityFake: deciding.length ? Math.max(...deciding) : null,
    reasons: reasons.map(({ code }) => code),
  };
}

/* What staff pages draw attention with: soft tones that are made here, and a mark in the title without a word. */

const MARK = "\u25cf ";
const title = document.title;
const reasons = new Set();

/** One short soft tone for each pitch in Hz. False where there is no sound: a browser nobody has touched may refuse. */
export function chime(pitches) {
  try {
    const audio = new AudioContext();
    pitches.forEach((pitch, place) => {
      const start = place * 0.22;
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, audio.currentTime + start);
      volume.gain.linearRampToValueAtTime(0.2, audio.currentTime + start + 0.02);
      volume.gain.linearRampToValueAtTime(0, audio.currentTime + start + 0.18);
      tone.connect(volume).connect(audio.destination);
      tone.start(audio.currentTime + start);
      tone.stop(audio.currentTime + start + 0.2);
    });
    setTimeout(() => audio.close(), 1000);
    return true;
  } catch {
    return false;
  }
}

/** Mark the title while `reason` holds; several may. */
export function markTitle(reason, holds) {
  if (holds) reasons.add(reason);
  else reasons.delete(reason);
  document.title = reasons.size ? MARK + title : title;
}

// What the shell prints, on its way to the screen. Of more than the screen keeps, what would be scrolled
// out of reach at once is left out.

const PAUSE = 100; // milliseconds between two looks at an output of which much is left out
const ESCAPE = 0x1b;
const NEWLINE = 0x0a;

export class Output {
  #screen;
  #waiting = [];
  #writing = false;
  #leaves = false; // something out, so that what is drawn now is seen for a moment only
  #escaped = false; // whether the last bytes may have begun a sequence that goes on in the next

  constructor(screen) {
    this.#screen = screen;
  }

  // Puts bytes on the screen in their turn, and then calls `shown`, also where they are left out.
  print(data, shown) {
    const escapes = data.includes(ESCAPE);
    const plain = !escapes && !this.#escaped;
    this.#escaped = escapes;
    this.#waiting.push({ data, shown, lines: count(data), plain });
    this.#leaveOut();
    if (!this.#writing) this.#write();
  }

  // Forgets what is not on the screen yet.
  clear() {
    this.#waiting = [];
    this.#escaped = false;
  }

  #write() {
    const next = this.#waiting.shift();
    this.#writing = Boolean(next);
    if (!next) return;
    this.#screen.write(next.data, () => {
      next.shown();
      const pause = this.#leaves ? PAUSE : 0;
      this.#leaves = false;
      pause ? setTimeout(() => this.#write(), pause) : this.#write();
    });
  }

  // What may hold a sequence stays: it can change how all that follows is shown.
  #leaveOut() {
    const kept = this.#screen.options.scrollback + this.#screen.rows;
    let below = 0; // lines that are printed after
    for (let at = this.#waiting.length - 1; at >= 0; at--) {
      const { lines, plain, shown } = this.#waiting[at];
      if (plain && below > kept) {
        this.#waiting.splice(at, 1);
        this.#leaves = true;
        shown();
      }
      below += lines;
    }
  }
}

function count(data) {
  let lines = 0;
  for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

package look

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/asyncio-go/asyncio"
)

// clean returns s on one line, without what could steer a terminal or show its reader
// another order of letters: names of tasks are anybody's.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	bad := func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' || unicode.Is(unicode.Cf, r) }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// wide are the runes that take two columns of a terminal.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && unicode.Is(wide, r):
		return 2
	}
	return 1
}

// width returns how many columns of a terminal s takes.
func width(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// cut returns as much of s as there is room for, and shows that it was cut.
func cut(s string, room int) string {
	if width(s) <= room {
		return s
	}
	return s[:fitting(s, room-1)] + "…"
}

// fitting returns how many bytes of s fit into so many columns.
func fitting(s string, room int) int {
	for i, r := range s {
		if room -= runeWidth(r); room < 0 {
			return i
		}
	}
	return len(s)
}

// cutFront is cut for what is told by its end, as the name of a file.
func cutFront(s string, room int) string {
	if width(s) <= room {
		return s
	}
	runes := []rune(s)
	n := 0
	for i := len(runes) - 1; i >= 0; i-- {
		if n += runeWidth(runes[i]); n > room-1 {
			for i++; i < len(runes) && runeWidth(runes[i]) == 0; i++ { // what belongs to the letter before
			}
			return "…" + string(runes[i:])
		}
	}
	return s
}

// duration returns a duration with three digits or so, or "-" when it is not known.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d < time.Microsecond:
		return fmt.Sprintf("%dns", d)
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + "µs"
	case d < time.Second:
		return digits(float64(d)/1e6) + "ms"
	case d < time.Minute:
		return digits(d.Seconds()) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// digits returns a number from 1 to 1000 with one digit after the point where there is room.
func digits(x float64) string {
	if x < 99.95 {
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// function returns the name of a function without the path of its package.
func function(f string) string { return clean(f[strings.LastIndexByte(f, '/')+1:]) }

// place returns a line of a program without the directory: "main.go:82".
func place(f *asyncio.FrameLook) string {
	if f == nil {
		return ""
	}
	return shortPlace(f.File + ":" + strconv.Itoa(f.Line))
}

func shortPlace(at string) string { return clean(path.Base(strings.ReplaceAll(at, `\`, "/"))) }

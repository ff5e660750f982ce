package conformance

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// FirstDifference returns the index of the first line in which two traces
// differ, or -1 when they are equal.
func FirstDifference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

// How many lines of a difference are shown, and how wide a column of it may be.
const (
	linesBefore = 5
	linesAfter  = 9
	maxColumn   = 78
)

// SideBySide shows two traces around the first line in which they differ, ours
// to the left. It is empty when they are equal.
func SideBySide(ours, reference []string) string {
	first := FirstDifference(ours, reference)
	if first < 0 {
		return ""
	}
	from, to := max(0, first-linesBefore), min(max(len(ours), len(reference)), first+linesAfter)
	width := len("ours")
	for _, s := range cut(ours, from, to) {
		width = max(width, utf8.RuneCountInString(s))
	}
	width = min(width, maxColumn)

	var b strings.Builder
	fmt.Fprintf(&b, "       %-*s   %s\n", width, "ours", "reference")
	for i := from; i < to; i++ {
		l, r := line(ours, i), line(reference, i)
		mark := " "
		if l != r {
			mark = "|"
		}
		row := fmt.Sprintf("%5d  %-*s %s %s", i+1, width, shorten(l, width), mark, shorten(r, maxColumn))
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	return b.String()
}

func cut(lines []string, from, to int) []string {
	return lines[min(from, len(lines)):min(to, len(lines))]
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func shorten(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-3]) + "..."
}

package look

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A Screen is where a command writes to.
type Screen struct {
	Out    io.Writer
	Width  int // columns; 0: as many as are needed
	Height int // rows; 0: it is no terminal
	Color  bool
	Size   func() (width, height int) // of a terminal, whose size may change
}

// Styles of text.
const (
	styleAlarm = "1;41;97" // white on red
	styleBad   = "1;31"
	styleBold  = "1"
	styleFaint = "2"
	styleHead  = "7"
	styleWarn  = "33"
)

func (s *Screen) style(text, style string) string {
	if !s.Color || text == "" || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// fit cuts a line to the width of the screen.
func (s *Screen) fit(line string) string {
	if s.Width == 0 {
		return line
	}
	return cut(line, s.Width)
}

// wrap breaks a text at its spaces into lines that fit.
func (s *Screen) wrap(text string) []string {
	if s.Width == 0 || width(text) <= s.Width {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for width(word) > s.Width {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			n := fitting(word, s.Width)
			if n == 0 { // a letter that is wider than the screen
				_, n = utf8.DecodeRuneInString(word)
			}
			lines, word = append(lines, word[:n]), word[n:]
		}
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= s.Width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// A column is a column of a table.
type column struct {
	title string
	from  int  // only on screens that are at least so wide
	right bool // it holds numbers
	least int  // it may be cut to so much; 0: it may not be cut
	front bool // it is cut in front
	style func(cell string) string
}

// A table is rows of cells, whose text is clean.
type table struct {
	columns []column
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

const gap = "  "

// lines returns the table as lines that fit the screen. What does not fit is cut, the
// widest column first; the last ones go when that is not enough.
func (t *table) lines(s *Screen) []string {
	widths := t.widths(s.Width)
	lines := []string{s.style(t.line(s, widths, nil), styleBold)}
	for _, row := range t.rows {
		lines = append(lines, t.line(s, widths, row))
	}
	return lines
}

// widths returns the width of each column, or -1 for one that is not shown.
func (t *table) widths(screen int) []int {
	widths := make([]int, len(t.columns))
	total := -len(gap)
	for i, c := range t.columns {
		if screen > 0 && c.from > screen || t.empty(i) && c.from > 0 {
			widths[i] = -1
			continue
		}
		widths[i] = width(c.title)
		for _, row := range t.rows {
			widths[i] = max(widths[i], width(row[i]))
		}
		total += widths[i] + len(gap)
	}
	for screen > 0 && total > screen {
		widest := -1
		for i, c := range t.columns {
			if c.least > 0 && widths[i] > max(c.least, width(c.title)) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			last := len(widths) - 1
			for ; last > 0 && widths[last] < 0; last-- {
			}
			if last == 0 {
				break
			}
			total -= widths[last] + len(gap)
			widths[last] = -1
			continue
		}
		widths[widest]--
		total--
	}
	return widths
}

// empty reports whether nothing stands in a column.
func (t *table) empty(i int) bool {
	for _, row := range t.rows {
		if row[i] != "" {
			return false
		}
	}
	return true
}

// line returns a row, or the titles where row is nil.
func (t *table) line(s *Screen, widths []int, row []string) string {
	var b strings.Builder
	spaces := 0
	for i, c := range t.columns {
		if widths[i] < 0 {
			continue
		}
		cell := c.title
		if row != nil {
			cell = row[i]
		}
		if c.front {
			cell = cutFront(cell, widths[i])
		} else {
			cell = cut(cell, widths[i])
		}
		room := widths[i] - width(cell)
		if c.right {
			spaces, room = spaces+room, 0
		}
		if cell != "" {
			b.WriteString(strings.Repeat(" ", spaces)) // none after the last
			spaces = 0
		}
		if row != nil && c.style != nil {
			cell = s.style(cell, c.style(row[i]))
		}
		b.WriteString(cell)
		spaces += room + len(gap)
	}
	return b.String()
}

// print writes lines.
func (s *Screen) print(lines ...string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(s.Out, line); err != nil {
			return err
		}
	}
	return nil
}

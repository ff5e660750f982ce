package fetch

import (
	"fmt"
	"strings"
)

// A writeOut is the format of -w, read once.
type writeOut []segment

// A segment is a literal text, or something that is filled in.
type segment struct {
	text string
	add  func(b []byte, r *Result) []byte
	to   stream // from here on
	stop func(r *Result) bool
}

// stream is where the output of -w goes.
type stream uint8

const (
	same stream = iota
	standardOut
	standardError
)

// parseWriteOut reads a format: %{name}, %header{name}, %{json},
// %{header_json}, %{stdout}, %{stderr}, %{onerror}, %%, \n, \r, \t. A variable
// that is not known is left out, and named in unknown.
func parseWriteOut(format string) (w writeOut, unknown []string) {
	var text strings.Builder
	add := func(s segment) {
		if text.Len() > 0 {
			w = append(w, segment{text: text.String()})
			text.Reset()
		}
		w = append(w, s)
	}
	for rest := format; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "%%"):
			text.WriteByte('%')
			rest = rest[2:]
		case strings.HasPrefix(rest, "%{") && strings.Contains(rest, "}"):
			name, after, _ := strings.Cut(rest[2:], "}")
			rest = after
			if s, ok := segmentFor(name); ok {
				add(s)
			} else {
				unknown = append(unknown, name)
			}
		case strings.HasPrefix(rest, "%header{") && strings.Contains(rest, "}"):
			name, after, _ := strings.Cut(rest[len("%header{"):], "}")
			rest = after
			add(segment{add: func(b []byte, r *Result) []byte { return append(b, r.Header.Get(name)...) }})
		case len(rest) > 1 && rest[0] == '\\':
			switch rest[1] {
			case 'n':
				text.WriteByte('\n')
			case 'r':
				text.WriteByte('\r')
			case 't':
				text.WriteByte('\t')
			default:
				text.WriteString(rest[:2])
			}
			rest = rest[2:]
		default:
			text.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	if text.Len() > 0 {
		w = append(w, segment{text: text.String()})
	}
	return w, unknown
}

func segmentFor(name string) (segment, bool) {
	switch name {
	case "json":
		return segment{add: appendJSON}, true
	case "header_json":
		return segment{add: func(b []byte, r *Result) []byte { return appendHeaderJSON(b, r.Header) }}, true
	case "stdout":
		return segment{to: standardOut}, true
	case "stderr":
		return segment{to: standardError}, true
	case "onerror":
		return segment{stop: func(r *Result) bool { return r.Err == nil }}, true
	}
	for _, v := range variables {
		if v.name == name {
			return segment{add: v.text}, true
		}
	}
	return segment{}, false
}

// format returns what goes to standard output and to standard error for r.
func (w writeOut) format(r *Result) (out, errs []byte) {
	b := &out
	for _, s := range w {
		switch {
		case s.add != nil:
			*b = s.add(*b, r)
		case s.stop != nil:
			if s.stop(r) {
				return out, errs
			}
		case s.to == standardOut:
			b = &out
		case s.to == standardError:
			b = &errs
		default:
			*b = append(*b, s.text...)
		}
	}
	return out, errs
}

// unknownVariable is what is said of one.
func unknownVariable(name string) string {
	return fmt.Sprintf("unknown --write-out variable: %q", Printable(name))
}

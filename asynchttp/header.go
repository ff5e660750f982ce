package asynchttp

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// checkHeader returns an error that names a field whose name or value HTTP does
// not allow.
func checkHeader(what string, h http.Header) error {
	for k, vs := range h {
		if !httpguts.ValidHeaderFieldName(k) {
			return fmt.Errorf("asynchttp: invalid %s field name %q", what, k)
		}
		for _, v := range vs {
			if !httpguts.ValidHeaderFieldValue(v) {
				// The value may be a secret.
				return fmt.Errorf("asynchttp: invalid value of %s field %q", what, k)
			}
		}
	}
	return nil
}

// fields writes the fields of h, sorted, but for those that are omitted. Names
// that HTTP does not allow are left out.
func (w *wire) fields(h http.Header, omit map[string]bool) {
	w.keptFields(h, func(name string, _ []string) bool { return !omit[name] })
}

// keptFields is fields for those that keep wants.
func (w *wire) keptFields(h http.Header, keep func(name string, values []string) bool) {
	var room [16]string
	names := room[:0]
	for k, vs := range h {
		if keep(k, vs) && httpguts.ValidHeaderFieldName(k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	for _, k := range names {
		for _, v := range h[k] {
			w.field(k, v)
		}
	}
}

// field writes a line of a header. Every field of a message goes through here,
// or its value would be a way to write lines of its own.
func (w *wire) field(name, value string) {
	w.add(name, ": ", safeValue(value), "\r\n")
}

// safeValue returns the value as it may be sent: without spaces around it, and
// with a space for each CR, LF and NUL.
func safeValue(v string) string {
	v = textproto.TrimString(v)
	if strings.ContainsAny(v, "\r\n\x00") {
		v = unsafeInValue.Replace(v)
	}
	return v
}

var unsafeInValue = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

func hasToken(values []string, token string) bool {
	return len(values) > 0 && httpguts.HeaderValuesContainsToken(values, token)
}

package fetch

import (
	"fmt"
	"strings"
)

// A Code is one of curl's exit codes.
type Code int

const (
	OK                  Code = 0
	UnsupportedProtocol Code = 1
	BadUsage            Code = 2
	BadURL              Code = 3
	NoProxyAddress      Code = 5
	NoHostAddress       Code = 6
	CannotConnect       Code = 7
	WeirdReply          Code = 8
	PartialFile         Code = 18
	HTTPStatus          Code = 22
	WriteFailed         Code = 23
	ReadFailed          Code = 26
	TimedOut            Code = 28
	TLSFailed           Code = 35
	TooManyRedirects    Code = 47
	NothingReceived     Code = 52
	SendFailed          Code = 55
	ReceiveFailed       Code = 56
	BadCertificate      Code = 60
	BadEncoding         Code = 61
	FileTooLarge        Code = 63
	BadCAFile           Code = 77
	ProxyFailed         Code = 97
	Forbidden           Code = 129 // not curl's own: robots.txt forbids a crawler the URL
	Interrupted         Code = 130 // not curl's own: what a shell returns for ^C
)

// An Error is the reason why a URL could not be fetched, with curl's code for it.
type Error struct {
	Code Code
	URL  string // empty when it is about none
	Err  error
}

// Error is the line that is printed, without the name of the program.
func (e *Error) Error() string {
	if e.URL == "" {
		return fmt.Sprintf("(%d) %s", e.Code, e.reason())
	}
	return fmt.Sprintf("(%d) %s: %s", e.Code, Printable(e.URL), e.reason())
}

// maxReason is how long the text of an error may be. It may hold what a server
// sent.
const maxReason = 500

func (e *Error) reason() string {
	text := e.Err.Error()
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + " ..."
	}
	return Printable(strings.ReplaceAll(text, "\n", "; ")) // as of several errors joined
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an error with a code; the URL is added by whoever knows it.
func fail(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Printable returns s on one line, without what could steer a terminal: it may
// hold what a server sent.
func Printable(s string) string {
	clean := true
	for _, r := range s {
		if !isPlain(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if !isPlain(r) {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}

// isPlain reports whether r is not a control character.
func isPlain(r rune) bool { return r >= ' ' && r != 0x7f && !(r >= 0x80 && r < 0xa0) }

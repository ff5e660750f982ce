package asyncio

import (
	"bytes"
	"context"
)

// ReadText is [StreamReader.ReadLine] that returns the line as a string without its end,
// which is "\n" or "\r\n": what most text protocols want, and [bufio.ScanLines] returns.
// Python: readline().decode().rstrip('\r\n').
func (r *StreamReader) ReadText(ctx context.Context) (string, error) {
	t, level, err := r.begin(ctx)
	if err != nil {
		return "", err
	}
	line, err := r.line(t, level)
	if err != nil {
		return "", err
	}
	if cut, ok := bytes.CutSuffix(line, newline[0]); ok {
		line, _ = bytes.CutSuffix(cut, []byte{'\r'})
	}
	text := string(line)
	r.release()
	return text, nil
}

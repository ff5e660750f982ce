package simtrace

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
)

//go:embed page.html
var page []byte

// hole is where the page has its data.
var hole = []byte("null/*trace*/")

// WritePage writes a page that shows the trace. It needs nothing but a browser: no
// other file, and no network.
func (t *Trace) WritePage(w io.Writer) error {
	t.Version = Version
	// The encoder writes < and > so that no text can end the script.
	data, err := json.Marshal(struct {
		Head
		Events []Event `json:"events"`
	}{t.Head, t.Events})
	if err != nil {
		return err
	}
	before, after, _ := bytes.Cut(page, hole)
	for _, p := range [][]byte{before, data, after} {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

package serve

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An entry is one line of a listing.
type entry struct {
	name string // with a slash behind a directory
	info fs.FileInfo
}

// listing makes the page of a directory. It runs in a thread.
func (s *site) listing(dir *os.File, q query) ([]byte, error) {
	entries, more, err := s.entries(dir, q.name)
	if err != nil {
		return nil, err
	}
	title := html.EscapeString(strings.ToValidUTF8(strings.TrimSuffix(q.path, "/")+"/", "\ufffd"))
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Index of %s</title>
<style>body { font-family: sans-serif } td { padding-right: 2em } td.size { text-align: right }</style>
</head>
<body>
<h1>Index of %s</h1>
<table>
`, title, title)
	if q.name != "." {
		b.WriteString("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n")
	}
	for _, e := range entries {
		size := ""
		if !e.info.IsDir() {
			size = fmt.Sprint(e.info.Size())
		}
		fmt.Fprintf(&b, "<tr><td><a href=\"%s\">%s</a></td><td class=\"size\">%s</td><td>%s</td></tr>\n",
			html.EscapeString(relative(e.name)), html.EscapeString(strings.ToValidUTF8(e.name, "\ufffd")),
			size, e.info.ModTime().UTC().Format("2006-01-02 15:04"))
	}
	b.WriteString("</table>\n")
	if more {
		fmt.Fprintf(&b, "<p>There are more than these %d.</p>\n", maxListed)
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes(), nil
}

// entries returns what a directory holds and may be served, directories first,
// and reports whether there is more. A link counts as what it leads to; one that
// leads out of the site, or nowhere, is left out.
func (s *site) entries(dir *os.File, name string) (all []entry, more bool, err error) {
	for {
		some, err := dir.ReadDir(256)
		for _, e := range some {
			if !s.hidden && strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if len(all) == maxListed {
				more = true
				break
			}
			info, err := s.root.Stat(filepath.Join(name, e.Name()))
			switch {
			case err != nil:
			case info.IsDir():
				all = append(all, entry{e.Name() + "/", info})
			case info.Mode().IsRegular():
				all = append(all, entry{e.Name(), info})
			}
		}
		if err == io.EOF || more {
			break
		}
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		if a.info.IsDir() != b.info.IsDir() {
			if a.info.IsDir() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.name, b.name)
	})
	return all, more, nil
}

package fetch

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// defaultName is the name of a file whose URL has none, such as http://host/.
const defaultName = "index.html"

// maxName is the longest name of a file, in bytes. Most systems take 255; the
// rest is for what a temporary name adds.
const maxName = 200

// remoteName makes a file name of the last part of the URL's path. It is as
// the URL has it, percent signs and all, but for what could lead elsewhere, or
// be no name at all.
func remoteName(u *url.URL) string {
	path := u.EscapedPath()
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "" || name == "." || name == ".." {
		return defaultName
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case !isPlain(r), r == '/', r == '\\', r == '\u2028', r == '\u2029':
			return '_'
		case runtime.GOOS == "windows" && strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, name)
	if len(name) > maxName {
		ext := filepath.Ext(name)
		if len(ext) > 20 {
			ext = ""
		}
		name = strings.ToValidUTF8(name[:maxName-len(ext)], "") + ext
	}
	return name
}

// places finds where files go, and sees to it that no two URLs get the same.
type places struct {
	outputDir  string
	createDirs bool

	roots   map[string]*root
	taken   map[string]int    // how many have asked for the name
	devices map[string]*place // what was found not to be a regular file
}

// root is a directory in which files are being saved. Nothing that is done
// through it can reach outside.
type root struct {
	*os.Root
	dir  string
	refs int
}

// A place is where one body goes.
type place struct {
	root   *root   // nil for what is not a regular file
	name   string  // in root
	path   string  // as it is shown to the user
	wanted string  // what the name would have been, if another had not taken it
	null   bool    // writing there does nothing
	out    *outlet // what is not a regular file, when several bodies go there
}

func newPlaces(o *Options) *places {
	return &places{
		outputDir: o.OutputDir, createDirs: o.CreateDirs,
		roots: map[string]*root{}, taken: map[string]int{}, devices: map[string]*place{},
	}
}

// find returns the place for the body of u. The caller must release it.
func (p *places) find(out Output, u *url.URL) (*place, error) {
	if out.Kind == ToRemote {
		dir := p.outputDir
		if dir == "" {
			dir = "."
		}
		return p.in(dir, remoteName(u), true)
	}
	path := out.Path
	if p.outputDir != "" {
		path = filepath.Join(p.outputDir, path)
	}
	if p.devices[path] != nil {
		return p.devices[path], nil
	}
	switch info, err := os.Stat(path); {
	case err != nil: // it will be made
	case info.IsDir():
		return nil, fail(WriteFailed, "%s is a directory", path)
	case !info.Mode().IsRegular():
		p.devices[path] = &place{path: path, null: isNullDevice(path, info)}
		return p.devices[path], nil
	default: // write to what a link leads to, not over the link
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if name == "" {
		return nil, fail(WriteFailed, "%s is the name of no file", path)
	}
	return p.in(dir, name, false)
}

// isNullDevice reports whether what is written to path is dropped.
func isNullDevice(path string, info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return path == os.DevNull || err == nil && os.SameFile(null, info)
}

// in reserves a name in a directory.
func (p *places) in(dir, name string, remote bool) (*place, error) {
	r, err := p.open(dir)
	if err != nil {
		return nil, &Error{Code: WriteFailed, Err: err}
	}
	free, err := p.reserve(r, name)
	if err == nil && remote {
		err = mayReplace(r, free)
	}
	if err != nil {
		p.close(r)
		return nil, &Error{Code: WriteFailed, Err: err}
	}
	pl := &place{root: r, name: free, path: free}
	if dir != "." {
		pl.path = filepath.Join(dir, free)
	}
	if free != name {
		pl.wanted = name
	}
	return pl, nil
}

// mayReplace returns the reason why a file whose name a server chose must not take the place
// of what bears that name. A link is replaced, not followed.
func mayReplace(r *root, name string) error {
	info, err := r.Lstat(name)
	if err != nil || info.Mode().IsRegular() || info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	return fmt.Errorf("%s exists and is not a regular file", filepath.Join(r.dir, name))
}

// reserve returns name, or when another URL of this run has it, name with the
// first number that neither this run nor an older file has.
func (p *places) reserve(r *root, name string) (string, error) {
	key := p.key(r, name)
	n := p.taken[key]
	p.taken[key] = n + 1
	if n == 0 {
		return name, nil
	}
	for ; n < 1<<20; n++ {
		other := name + "." + strconv.Itoa(n)
		p.taken[key] = n + 1
		if k := p.key(r, other); p.taken[k] == 0 {
			if _, err := r.Lstat(other); err != nil {
				p.taken[k] = 1
				return other, nil
			}
		}
	}
	return "", fmt.Errorf("too many files have the name %s", name)
}

// key is what two names have in common that are the same file.
func (p *places) key(r *root, name string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		name = strings.ToLower(name)
	}
	return r.dir + "\x00" + name
}

// open opens a directory, or shares it with those who have it open.
func (p *places) open(dir string) (*root, error) {
	dir = filepath.Clean(dir)
	if r := p.roots[dir]; r != nil {
		r.refs++
		return r, nil
	}
	if p.createDirs {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	opened, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	r := &root{Root: opened, dir: dir, refs: 1}
	p.roots[dir] = r
	return r, nil
}

// release releases the place of a job, which is done.
func (p *places) release(j *job) {
	if j.place != nil && j.place.root != nil {
		p.close(j.place.root)
		j.place.root = nil
	}
}

func (p *places) close(r *root) {
	if r.refs--; r.refs == 0 {
		delete(p.roots, r.dir)
		_ = r.Close()
	}
}

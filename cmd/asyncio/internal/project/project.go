// Package project writes the files of a new service.
package project

import (
	"embed"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"golang.org/x/mod/module"
)

//go:embed template
var templates embed.FS

// files are the files of a project, by the names of their templates.
var files = map[string]string{
	"go.mod.txt":          "go.mod",
	"main.go.txt":         "main.go",
	"service.go.txt":      "service.go",
	"service_test.go.txt": "service_test.go",
	"README.md.txt":       "README.md",
	"gitignore.txt":       ".gitignore",
	"ci.yml.txt":          ".github/workflows/ci.yml",
}

// ErrNotEmpty is the error of a directory that has files.
var ErrNotEmpty = errors.New("the directory is not empty")

// A Project says what is written.
type Project struct {
	Name   string // of the program
	Module string // the path of its module
}

// New returns a project in a directory. Without a path of a module, that is the
// directory's name.
func New(dir, modulePath string) (*Project, error) {
	if dir == "" {
		return nil, errors.New("the name of the project is empty")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := &Project{Name: filepath.Base(abs), Module: modulePath}
	if p.Module == "" {
		p.Module = p.Name
	}
	if !programName.MatchString(p.Name) {
		return nil, fmt.Errorf("%q cannot be the name of a program: it may have letters, digits, - and _, and begins with a letter", p.Name)
	}
	if err := checkModule(p.Module); err != nil {
		return nil, fmt.Errorf("%q cannot be the path of a module (--module): %w", p.Module, err)
	}
	return p, nil
}

// checkModule returns why a path cannot be that of a module, or nil.
func checkModule(path string) error {
	if err := module.CheckImportPath(path); err != nil {
		if invalid, ok := errors.AsType[*module.InvalidPathError](err); ok {
			return invalid.Err // without the path once more
		}
		return err
	}
	if path == "toolchain" {
		return errors.New("the go command has that name for itself")
	}
	if root := build.Default.GOROOT; root != "" { // it is not known where the command was built with -trimpath
		if _, err := os.Stat(filepath.Join(root, "src", filepath.FromSlash(path))); err == nil {
			return errors.New("the standard library has a package of that name")
		}
	}
	return nil
}

var programName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// Workspace returns the go.work file to which a directory belongs, or "". In a workspace a
// module can be built only if that names it.
func Workspace(dir string) string {
	switch work := os.Getenv("GOWORK"); work {
	case "off":
		return ""
	case "":
	default:
		return work
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		work := filepath.Join(abs, "go.work")
		if _, err := os.Stat(work); err == nil {
			return work
		}
		parent := filepath.Dir(abs)
		if parent == abs {
			return ""
		}
		abs = parent
	}
}

// Write writes the files into a directory, which it makes, and returns their names. One
// that has files already is left alone, with ErrNotEmpty.
func (p *Project) Write(dir string) (written []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f.Name() != ".git" {
			return nil, fmt.Errorf("%s: %w: %s is there", dir, ErrNotEmpty, f.Name())
		}
	}
	err = fs.WalkDir(templates, "template", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file := files[path.Base(name)]
		if file == "" {
			return fmt.Errorf("the template %s has no file", name)
		}
		written = append(written, file)
		return p.write(name, filepath.Join(dir, filepath.FromSlash(file)))
	})
	return written, err
}

func (p *Project) write(name, file string) error {
	t, err := template.ParseFS(templates, name)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o666)
}

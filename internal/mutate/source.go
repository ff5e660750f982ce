package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// A sourceFile is a file of the project.
type sourceFile struct {
	name string // its path from the module's root, with slashes
	path string // in the file system
	text []byte
	ast  *ast.File
	pkg  *sourcePackage
	area *area // nil: it is not measured
}

// A sourcePackage is a package of the project.
type sourcePackage struct {
	dir     string // from the module's root, with slashes; "." is the root
	path    string // as it is imported
	name    string
	files   []*sourceFile
	mutants []*mutant // every one there is
}

// A project is a module whose code is to be changed.
type project struct {
	root     string
	fset     *token.FileSet
	packages []*sourcePackage
	exports  map[string]string // the files with what imported packages export
	importer types.Importer
}

func (f *sourceFile) offset(pos token.Pos) int { return int(pos - f.ast.FileStart) }

// load reads the packages of the module in dir that have files in some area, as
// they are built on this system.
func load(dir string, areaOf func(string) (*area, error)) (*project, error) {
	p := &project{fset: token.NewFileSet(), exports: map[string]string{}}
	list := exec.Command("go", "list", "-export", "-deps", "-json=Dir,ImportPath,Name,GoFiles,Export,Module",
		"./...", "os", "strconv", "sync/atomic") // these are what guard imports
	list.Dir, list.Stderr = dir, os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l struct {
			Dir, ImportPath, Name, Export string
			GoFiles                       []string
			Module                        *struct {
				Main bool
				Dir  string
			}
		}
		if err := d.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		p.exports[l.ImportPath] = l.Export
		if l.Module == nil || !l.Module.Main {
			continue
		}
		p.root = l.Module.Dir
		pkg := &sourcePackage{path: l.ImportPath, name: l.Name}
		pkg.dir, err = filepath.Rel(p.root, l.Dir)
		if err != nil {
			return nil, err
		}
		pkg.dir = filepath.ToSlash(pkg.dir)
		measured := false
		for _, name := range l.GoFiles {
			f := &sourceFile{name: filepath.ToSlash(filepath.Join(pkg.dir, name)), path: filepath.Join(l.Dir, name), pkg: pkg}
			if f.area, err = areaOf(f.name); err != nil {
				return nil, err
			}
			measured = measured || f.area != nil
			pkg.files = append(pkg.files, f)
		}
		if measured {
			p.packages = append(p.packages, pkg)
		}
	}
	p.importer = importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
		file := p.exports[path]
		if file == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(file)
	})
	for _, pkg := range p.packages {
		if err := p.find(pkg); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// find lists the mutants of a package.
func (p *project) find(pkg *sourcePackage) error {
	var files []*ast.File
	for _, f := range pkg.files {
		var err error
		if f.text, err = os.ReadFile(f.path); err != nil {
			return err
		}
		if f.ast, err = parser.ParseFile(p.fset, f.path, f.text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		files = append(files, f.ast)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if err := p.check(pkg, files, info, nil); err != nil {
		return err
	}
	for _, f := range pkg.files {
		if f.area != nil {
			pkg.mutants = append(pkg.mutants, mutantsOf(f, info)...)
		}
	}
	return nil
}

// check type-checks a package. Errors go to the function, or the first one is
// returned.
func (p *project) check(pkg *sourcePackage, files []*ast.File, info *types.Info, errs func(error)) error {
	conf := types.Config{Importer: p.importer, Error: errs}
	_, err := conf.Check(pkg.path, p.fset, files, info)
	if errs != nil {
		return nil
	}
	return err
}

package docs_test

import (
	"cmp"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The root package has one directory and many files. Which may know which stands
// in the table of architecture.md: a file belongs to the layer that its first word
// names, and refers to files of its own layer and of those below.

var layerRow = regexp.MustCompile("(?m)^\\| ([a-z ]+) \\| ((?:`[a-z]+`(?:, )?)+) \\| .*\\|$")

// readLayers returns for each first word the height of its layer, and the layers'
// names from the top downwards.
func readLayers(t *testing.T) (height map[string]int, names []string) {
	t.Helper()
	_, section, ok := strings.Cut(readFile(t, "architecture.md"), "\n## Layers\n")
	if !ok {
		t.Fatal("architecture.md has no section Layers")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	height = make(map[string]int)
	for _, m := range layerRow.FindAllStringSubmatch(section, -1) {
		for _, w := range quoted.FindAllStringSubmatch(m[2], -1) {
			if _, twice := height[w[1]]; twice {
				t.Errorf("%s stands in two layers", w[1])
			}
			height[w[1]] = -len(names)
		}
		names = append(names, m[1])
	}
	if len(names) < 2 {
		t.Fatal("architecture.md has no table of layers")
	}
	return height, names
}

func firstWord(file string) string {
	word, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".go"), "_")
	return word
}

func TestEachFileOfTheRootIsInALayer(t *testing.T) {
	height, _ := readLayers(t)
	unused := maps.Clone(height)
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "doc.go" {
			continue
		}
		if _, ok := height[firstWord(file)]; !ok {
			t.Errorf("%s is in no layer", filepath.Base(file))
		}
		delete(unused, firstWord(file))
	}
	for word := range unused {
		t.Errorf("no file begins with %s", word)
	}
}

func TestALayerKnowsOnlyThoseBelowIt(t *testing.T) {
	height, names := readLayers(t)
	refs := rootReferences(t)
	for _, r := range slices.SortedFunc(maps.Keys(refs), compareReferences) {
		if height[firstWord(r.from)] < height[firstWord(r.to)] {
			t.Errorf("%s (%s) refers upwards to %s (%s): %s", r.from, names[-height[firstWord(r.from)]],
				r.to, names[-height[firstWord(r.to)]], strings.Join(refs[r], ", "))
		}
	}
	for _, circle := range circles(refs) {
		t.Logf("%d files form a circle: %s", len(circle), strings.Join(circle, " "))
	}
}

// A reference says that a file names something that another declares.
type reference struct{ from, to string }

func compareReferences(a, b reference) int {
	return cmp.Or(strings.Compare(a.from, b.from), strings.Compare(a.to, b.to))
}

// rootReferences returns what the root package's files name of each other, on this
// system.
func rootReferences(t *testing.T) map[reference][]string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range strings.Fields(goList(t, "-f", `{{join .GoFiles " "}}`)) {
		f, err := parser.ParseFile(fset, filepath.Join("..", name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(goList(t, "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}")) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	pkg, err := config.Check("github.com/asyncio-go/asyncio", fset, files, &info)
	if err != nil {
		t.Fatal(err)
	}
	refs := make(map[reference][]string)
	for id, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		r := reference{filepath.Base(fset.Position(id.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)}
		if r.from != r.to && !slices.Contains(refs[r], object.Name()) {
			refs[r] = append(refs[r], object.Name())
		}
	}
	return refs
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, append(args, ".")...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return string(out)
}

// circles returns the sets of files of which each refers to each, perhaps by way of
// others, the largest first.
func circles(refs map[reference][]string) [][]string {
	next := make(map[string][]string)
	for r := range refs {
		next[r.from] = append(next[r.from], r.to)
	}
	reached := make(map[string]map[string]bool)
	for from := range next {
		seen := make(map[string]bool)
		var walk func(string)
		walk = func(file string) {
			for _, to := range next[file] {
				if !seen[to] {
					seen[to] = true
					walk(to)
				}
			}
		}
		walk(from)
		reached[from] = seen
	}
	var all [][]string
	done := make(map[string]bool)
	for _, file := range slices.Sorted(maps.Keys(next)) {
		if done[file] || !reached[file][file] {
			continue
		}
		var circle []string
		for other := range reached[file] {
			if reached[other][file] {
				circle = append(circle, other)
				done[other] = true
			}
		}
		slices.Sort(circle)
		all = append(all, circle)
	}
	slices.SortStableFunc(all, func(a, b []string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

func TestCirclesAreFound(t *testing.T) {
	ref := func(from, to string) reference { return reference{from, to} }
	refs := map[reference][]string{
		ref("a", "b"): nil, ref("b", "c"): nil, ref("c", "a"): nil, ref("c", "d"): nil,
		ref("d", "e"): nil, ref("e", "d"): nil, ref("f", "a"): nil,
	}
	got := circles(refs)
	want := [][]string{{"a", "b", "c"}, {"d", "e"}}
	if len(got) != len(want) || !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("got %v", got)
	}
}

package docs_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// shellCommands returns the commands of the documents, without what is said of
// them.
func shellCommands(t *testing.T) (all []snippet) {
	for _, s := range snippets(t, "sh") {
		n := s.line
		for line := range strings.Lines(s.text) {
			command, _, _ := strings.Cut(line, " #")
			if command = strings.TrimSpace(command); command != "" {
				all = append(all, snippet{s.file, n, command})
			}
			n++
		}
	}
	return all
}

// What the documents do with the command is run as it stands there, but for the
// sites, which are here.
func TestCommandsOfTheDocuments(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not there")
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "this is", r.URL.Path)
	}))
	defer site.Close()
	dir := t.TempDir()
	binary := filepath.Join(dir, "asyncio.exe")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/asyncio").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	urls := site.URL + "/a\n" + site.URL + "/b\n"
	if err := os.WriteFile(filepath.Join(dir, "urls.txt"), []byte(urls), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range shellCommands(t) {
		args, ok := strings.CutPrefix(c.text, "go run ./cmd/asyncio ")
		if !ok {
			continue
		}
		ran++
		args = strings.ReplaceAll(args, "https://example.com", site.URL)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, binary, strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s: %v\n%s", c, c.text, err, out)
		}
		cancel()
	}
	if ran == 0 {
		t.Error("the documents show nothing that the command can do")
	}
}

// setting is what stands before a command and says how it is run.
var setting = regexp.MustCompile(`^(?:[A-Z_]+=\S+ |chrt -f 50 )+`)

// The commands that check the module would run this test too. It holds them
// against what there is.
func TestCommandsThatCheckNameWhatThereIs(t *testing.T) {
	ci := readFile(t, "../.ci/run")
	flags := readFile(t, "../conformance/flags_test.go")
	steps := strings.Fields(regexp.MustCompile(`(?m)^steps=\((.*)\)$`).FindStringSubmatch(ci)[1])
	built := map[string]bool{} // binaries, by the documents before where they are used
	for _, c := range shellCommands(t) {
		c.text = setting.ReplaceAllString(c.text, "")
		words := strings.Fields(c.text)
		switch {
		case built[words[0]]:
		case strings.HasPrefix(c.text, "go run "):
			if _, err := os.Stat(filepath.Join("..", words[2])); err != nil {
				t.Errorf("%v: %s: %v", c, c.text, err)
			}
		case strings.HasPrefix(c.text, "go build -o ") && len(words) == 5:
			binary := filepath.Join(t.TempDir(), words[3])
			if out, err := exec.Command("go", "build", "-o", binary, "../"+words[4]).CombinedOutput(); err != nil {
				t.Errorf("%v: %s: %v\n%s", c, c.text, err, out)
			}
			built["./"+words[3]] = true
		case words[0] == ".ci/run":
			for _, step := range words[1:] {
				if !strings.Contains(" "+strings.Join(steps, " ")+" ", " "+step+" ") {
					t.Errorf("%v: .ci/run has no step %s", c, step)
				}
			}
		case strings.HasPrefix(words[0], "bench/"):
			if info, err := os.Stat(filepath.Join("..", words[0])); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("%v: %s is no program: %v", c, words[0], err)
			}
		case strings.Contains(c.text, "go vet ./..."):
		case strings.HasPrefix(c.text, "go test "):
			for _, w := range words[2:] {
				name, _, _ := strings.Cut(strings.TrimPrefix(w, "-"), "=")
				switch {
				case strings.HasPrefix(w, ".") && !strings.HasSuffix(w, "..."):
					if _, err := os.Stat(filepath.Join("..", w)); err != nil {
						t.Errorf("%v: %s: %v", c, c.text, err)
					}
				case strings.HasPrefix(w, "-fuzz-"):
					if !strings.Contains(flags, `"`+name+`"`) {
						t.Errorf("%v: there is no flag %s", c, w)
					}
				}
			}
		default:
			t.Errorf("%v: no test knows what to do with %q", c, c.text)
		}
	}
}

// Links between the documents lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	code := regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, file := range append(documents(t), "../CHANGELOG.md") {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(readFile(t, file), "`"), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

package look

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/asyncio-go/asyncio/internal/insightwire"
)

// Graph writes who waits for what in the language DOT, or as SVG.
func Graph(ctx context.Context, s *Screen, errs io.Writer, arg string, o Options, svg bool) error {
	t, err := find(arg)
	if err != nil {
		return err
	}
	defer t.close()
	g := new(insightwire.Graph)
	if err := t.get(ctx, g, "/v1/graph"); err != nil {
		return err
	}
	if o.JSON {
		return s.writeJSON(g)
	}
	// Standard output is for another program: what hangs is told to the user.
	alarm := *s
	alarm.Out = errs
	for _, k := range g.Loops {
		if k.State == "stuck" {
			if err := alarm.print(alarm.stuck(k)...); err != nil {
				return err
			}
		}
	}
	text := dot(g)
	if !svg {
		_, err = io.WriteString(s.Out, text)
		return err
	}
	tool, err := exec.LookPath("dot")
	if err != nil {
		return errors.New("--svg needs the program dot of Graphviz; without --svg its input is printed")
	}
	c := exec.CommandContext(ctx, tool, "-Tsvg")
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(text), s.Out, errs
	return c.Run()
}

// dot returns a graph in the language DOT.
func dot(g *insightwire.Graph) string {
	var b strings.Builder
	b.WriteString("digraph asyncio {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=10, shape=box, style=rounded];\n  edge [fontname=\"sans-serif\", fontsize=9];\n")
	if g.More {
		b.WriteString("  label=\"there is more than is shown\";\n")
	}
	for _, n := range g.Nodes {
		label, attributes := n.Name, ""
		if n.Kind == "task" {
			if own := fmt.Sprintf("Task-%d", n.Task); n.Name != own {
				label += fmt.Sprintf(" [%d]", n.Task)
			}
			if n.State != "" {
				label += "\n" + n.State
				if n.For > 0 {
					label += " " + duration(n.For)
				}
			}
		} else {
			attributes = ", shape=ellipse, style=solid"
			if n.Detail != "" {
				label += "\n" + n.Detail
			}
		}
		if n.Cycle {
			attributes += ", color=red, fontcolor=red"
		}
		fmt.Fprintf(&b, "  %s [label=%s%s];\n", quoteDOT(n.ID), quoteDOT(label), attributes)
	}
	for _, e := range g.Edges {
		var attributes []string
		if e.Kind == "held" {
			attributes = append(attributes, "style=dashed", `label="held by"`)
		}
		if e.Cycle {
			attributes = append(attributes, "color=red")
		}
		fmt.Fprintf(&b, "  %s -> %s", quoteDOT(e.From), quoteDOT(e.To))
		if len(attributes) > 0 {
			b.WriteString(" [" + strings.Join(attributes, ", ") + "]")
		}
		b.WriteString(";\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// quoteDOT returns a text as a string of DOT, whose lines end with \n.
func quoteDOT(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, strings.ReplaceAll(strings.ReplaceAll(clean(line), `\`, `\\`), `"`, `\"`))
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

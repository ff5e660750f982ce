package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
)

// A note is what the API is about.
type note struct {
	ID    int            `json:"id"`
	Title string         `json:"title"`
	Text  string         `json:"text,omitempty"`
	Files map[string]int `json:"files,omitempty"` // names and sizes
}

// An api is the notes. Between two waits nothing else runs, so there is no lock; and
// a handler that waits, for a body say, must look at them again after that.
type api struct {
	notes map[int]*note
	last  int
}

const (
	maxNotes = 100_000
	maxBody  = 64 << 10 // of one note
	maxFile  = 8 << 20
)

func newAPI() *api { return &api{notes: map[int]*note{}} }

func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"GET /notes":             a.list,
		"POST /notes":            a.create,
		"POST /notes/import":     a.importAll,
		"GET /notes/{id}":        a.read,
		"PUT /notes/{id}":        a.replace,
		"DELETE /notes/{id}":     a.remove,
		"POST /notes/{id}/files": a.attach,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				fail(w, err)
			}
		})
	}
	return mux
}

// A refusal is an error that the client is told.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// fail answers with an error, as JSON too.
func fail(w http.ResponseWriter, err error) {
	var no *refusal
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		no = &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", large.Limit)}
	case !errors.As(err, &no):
		no = &refusal{http.StatusInternalServerError, "internal error"}
	}
	answer(w, no.status, map[string]string{"error": no.text})
}

func answer(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(v)
}

// decode reads one note, and nothing else.
func decode(d *json.Decoder) (*note, error) {
	n := new(note)
	d.DisallowUnknownFields()
	err := d.Decode(n)
	var large *http.MaxBytesError
	switch {
	case err == io.EOF, errors.As(err, &large):
		return nil, err
	case err != nil:
		return nil, &refusal{http.StatusBadRequest, err.Error()}
	case n.Title == "":
		return nil, &refusal{http.StatusUnprocessableEntity, "a note needs a title"}
	}
	return n, nil
}

func body(w http.ResponseWriter, r *http.Request) (*note, error) {
	n, err := decode(json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)))
	if err == io.EOF {
		return nil, &refusal{http.StatusBadRequest, "no note"}
	}
	return n, err
}

// find returns the note that the path names.
func (a *api) find(r *http.Request) (*note, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if n := a.notes[id]; n != nil && err == nil {
		return n, nil
	}
	return nil, &refusal{http.StatusNotFound, "there is no such note"}
}

func (a *api) add(n *note) error {
	if len(a.notes) >= maxNotes {
		return &refusal{http.StatusInsufficientStorage, "too many notes"}
	}
	a.last++
	n.ID, n.Files = a.last, nil
	a.notes[n.ID] = n
	return nil
}

func (a *api) create(w http.ResponseWriter, r *http.Request) error {
	n, err := body(w, r)
	if err == nil {
		err = a.add(n)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", fmt.Sprint("/notes/", n.ID))
	return answer(w, http.StatusCreated, n)
}

func (a *api) read(w http.ResponseWriter, r *http.Request) error {
	n, err := a.find(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, n)
}

func (a *api) replace(w http.ResponseWriter, r *http.Request) error {
	n, err := body(w, r) // waits, so the note is looked for after it
	if err != nil {
		return err
	}
	old, err := a.find(r)
	if err != nil {
		return err
	}
	old.Title, old.Text = n.Title, n.Text
	return answer(w, http.StatusOK, old)
}

func (a *api) remove(w http.ResponseWriter, r *http.Request) error {
	n, err := a.find(r)
	if err != nil {
		return err
	}
	delete(a.notes, n.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// list sends all notes, one a line, as they are written: however many there are, it
// takes no more memory than one.
func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for id := 1; id <= a.last; id++ { // not a range over the map, which may change while Encode waits
		if n := a.notes[id]; n != nil {
			if err := out.Encode(n); err != nil {
				return nil // the client has gone
			}
		}
	}
	return nil
}

// importAll takes notes one after another, as they come.
func (a *api) importAll(w http.ResponseWriter, r *http.Request) error {
	d := json.NewDecoder(r.Body)
	for count := 0; ; count++ {
		n, err := decode(d)
		if err == io.EOF {
			return answer(w, http.StatusOK, map[string]int{"imported": count})
		}
		if err == nil {
			err = a.add(n)
		}
		if err != nil {
			var no *refusal
			if errors.As(err, &no) {
				err = &refusal{no.status, fmt.Sprintf("note %d: %s", count+1, no.text)}
			}
			return err
		}
	}
}

// attach takes the files of a form as they come, and keeps none in memory.
func (a *api) attach(w http.ResponseWriter, r *http.Request) error {
	parts, err := r.MultipartReader()
	if err != nil {
		return &refusal{http.StatusUnsupportedMediaType, err.Error()}
	}
	files := map[string]int{}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return &refusal{http.StatusBadRequest, err.Error()}
		}
		if part.FileName() == "" {
			continue
		}
		size, err := size(part)
		if err != nil {
			return err
		}
		files[part.FileName()] = size
	}
	n, err := a.find(r)
	if err != nil {
		return err
	}
	n.Files = files
	return answer(w, http.StatusOK, n)
}

func size(part *multipart.Part) (int, error) {
	n, err := io.Copy(io.Discard, io.LimitReader(part, maxFile+1))
	switch {
	case err != nil:
		return 0, &refusal{http.StatusBadRequest, err.Error()}
	case n > maxFile:
		return 0, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("%s has more than %d bytes", part.FileName(), maxFile)}
	}
	return int(n), nil
}

package gobvalue

import "testing"

type hidden struct{ a int }

// Gob has no form for a struct of which it sees nothing; that is no panic, and not empty.
func TestAStructWithoutExportedFieldsIsAnError(t *testing.T) {
	for range 2 {
		if p, err := Encode(hidden{1}); err == nil || p != nil {
			t.Errorf("%q, %v", p, err)
		}
	}
	if _, err := Decode[hidden]([]byte{1}); err == nil {
		t.Error("something was decoded")
	}
}

package web

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"framehub/session/wire"
)

// A Value of SQL in JSON: null, a text, and a number where that is one for certain in
// JavaScript; otherwise an object with one of i (an integer, its digits), r (a real, as
// text) and b (a blob, in hexadecimal). A value that is too long for a list is cut: its
// object has cut (its beginning), kind (text or blob) and size (bytes).
type Value struct{ wire.Value }

// What of a value a list shows, in bytes.
const (
	cutText = 200
	cutBlob = 24

	maxExact = 1<<53 - 1 // the largest whole number up to which JavaScript has all
)

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Kind() {
	case wire.Integer:
		if i := v.Int64(); i > maxExact || i < -maxExact {
			return fmt.Appendf(nil, `{"i":"%d"}`, i), nil
		}
		return strconv.AppendInt(nil, v.Int64(), 10), nil
	case wire.Real:
		f := v.Float64()
		text := strconv.FormatFloat(f, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") || math.IsInf(f, 0) || math.IsNaN(f) { // it would be taken for an integer, or is no number of JSON's
			return json.Marshal(map[string]string{"r": text})
		}
		return []byte(text), nil
	case wire.Text:
		return json.Marshal(strings.ToValidUTF8(v.Bytes(), "\ufffd"))
	case wire.Blob:
		return json.Marshal(map[string]string{"b": hex.EncodeToString([]byte(v.Bytes()))})
	default:
		return []byte("null"), nil
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Value) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case 'n':
		*v = Value{}
		return nil
	case '"':
		var s string
		err := json.Unmarshal(b, &s)
		v.Value = wire.TextValue(s)
		return err
	case '{':
		return v.readTagged(b)
	}
	text := string(b)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		v.Value = wire.IntegerValue(i)
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%.40s is no value of SQL", text)
	}
	v.Value = wire.RealValue(f)
	return nil
}

func (v *Value) readTagged(b []byte) error {
	var tagged struct{ I, R, B *string }
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&tagged); err != nil {
		return fmt.Errorf("%.40s is no value of SQL: one has i, r or b", b)
	}
	switch {
	case tagged.I != nil:
		i, err := strconv.ParseInt(*tagged.I, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no integer of 64 bits", *tagged.I)
		}
		v.Value = wire.IntegerValue(i)
	case tagged.R != nil:
		f, err := strconv.ParseFloat(*tagged.R, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", *tagged.R)
		}
		v.Value = wire.RealValue(f)
	case tagged.B != nil:
		raw, err := hex.DecodeString(*tagged.B)
		if err != nil {
			return fmt.Errorf("%.40q is no blob: write its bytes in hexadecimal", *tagged.B)
		}
		v.Value = wire.BlobValue(raw)
	default:
		return errors.New("an object that is a value of SQL has i, r or b")
	}
	return nil
}

// cutValue is a value as a list shows it.
func cutValue(v wire.Value) any {
	most, kind := cutText, "text"
	if v.Kind() == wire.Blob {
		most, kind = cutBlob, "blob"
	}
	if v.Len() <= most {
		return Value{v}
	}
	text := v.Bytes()[:most]
	if kind == "blob" {
		text = hex.EncodeToString([]byte(text))
	} else {
		text = strings.ToValidUTF8(text, "")
	}
	return map[string]any{"cut": text, "kind": kind, "size": v.Len()}
}

// listed values: those of the key whole, for rows are found by it.
func cutRow(row []wire.Value, key int) []any {
	out := make([]any, len(row))
	for i, v := range row {
		if i < key {
			out[i] = Value{v}
		} else {
			out[i] = cutValue(v)
		}
	}
	return out
}

// wholeRow has all of each value.
func wholeRow(row []wire.Value) []any {
	out := make([]any, len(row))
	for i, v := range row {
		out[i] = Value{v}
	}
	return out
}

// readKey reads a row's key, an array in JSON.
func readKey(text string) ([]wire.Value, error) {
	var values []Value
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("a key is an array of values in JSON: %w", err)
	}
	key := make([]wire.Value, len(values))
	for i := range values {
		key[i] = values[i].Value
	}
	return key, nil
}

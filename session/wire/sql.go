package wire

import "math"

// The limits of a statement.
const (
	MaxSQL       = 64 << 10 // bytes of its text
	MaxSQLParams = 256
)

// SQL asks the hub to run one statement (section 5).
type SQL struct {
	ID     uint64 // the device's own, to tell answers apart
	Text   string
	Params []Value // in the order of the statement's parameters
}

// A SQLAnswer is what a statement has returned, or why it was not run.
type SQLAnswer struct {
	ID      uint64
	Version uint64 // that has what it changed, or that it has read
	Columns []string
	Rows    Grid // of as many values as there are columns
	Refused *Refusal
}

// DecodeSQL reads a statement. Where the error is a [Refusal], it is refused and the
// session goes on; of the statement only its id is then known.
func DecodeSQL(msg []byte, l Limits) (SQL, error) {
	f := open(msg, l.orDefaults(), TypeSQL)
	s := SQL{ID: f.uint("a statement's id", MaxVersion), Text: f.text("a statement")}
	if len(s.Text) > MaxSQL {
		f.fail(Refuse(CodeTooLarge, "a statement has %d bytes at most, this one has %d", MaxSQL, len(s.Text)))
	}
	list := f.array("a statement's parameters", math.MaxInt)
	if list.n > MaxSQLParams {
		f.fail(Refuse(CodeTooLarge, "a statement has %d parameters at most, this one has %d", MaxSQLParams, list.n))
	}
	s.Params = each(list, func(f *fields) Value { return f.value("a parameter") })
	if err := f.close(); err != nil {
		return SQL{ID: s.ID}, err
	}
	return s, nil
}

// Append appends the message.
func (s *SQL) Append(dst []byte) []byte {
	dst = appendText(appendUint(appendUint(appendArray(dst, 4), uint64(TypeSQL)), s.ID), s.Text)
	return appendValues(dst, s.Params)
}

// DecodeSQLAnswer reads what became of a statement.
func DecodeSQLAnswer(msg []byte, l Limits) (SQLAnswer, error) {
	f := open(msg, l.orDefaults(), TypeSQL)
	a := SQLAnswer{ID: f.uint("a statement's id", MaxVersion)}
	if f.peek() {
		a.Version = f.uint("the version of an answer", MaxVersion)
		a.Columns = each(f.array("an answer's columns", math.MaxInt), func(f *fields) string { return f.text("the name of a column") })
		a.Rows.Stride = len(a.Columns)
		for _, row := range each(f.array("an answer's rows", math.MaxInt), (*fields).row) {
			if len(row) != a.Rows.Stride {
				f.fail(protocolErrorf("a row of an answer has %d values for %d columns", len(row), a.Rows.Stride))
				break
			}
			a.Rows.Values = append(a.Rows.Values, row...)
		}
	} else {
		a.Refused = f.refusal()
	}
	if err := f.close(); err != nil {
		return SQLAnswer{}, err
	}
	return a, nil
}

func (f *fields) row() []Value {
	return each(f.array("a row of an answer", math.MaxInt), func(f *fields) Value { return f.value("a value of an answer") })
}

// Append appends the message.
func (a *SQLAnswer) Append(dst []byte) []byte {
	if a.Refused != nil {
		return appendRefused(dst, TypeSQL, a.ID, a.Refused)
	}
	dst = appendUint(appendUint(appendUint(appendArray(dst, 5), uint64(TypeSQL)), a.ID), a.Version)
	dst = appendArray(dst, len(a.Columns))
	for _, c := range a.Columns {
		dst = appendText(dst, c)
	}
	n := 0
	if a.Rows.Stride > 0 {
		n = a.Rows.Rows()
	}
	dst = appendArray(dst, n)
	for i := range n {
		dst = appendValues(dst, a.Rows.Row(i))
	}
	return dst
}

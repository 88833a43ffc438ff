package wire

import "math"

// DecodeSubscribe reads a change of subscriptions.
func DecodeSubscribe(msg []byte, l Limits) (Subscribe, error) {
	l = l.orDefaults()
	f := open(msg, l, TypeSubscribe)
	s := Subscribe{
		ID:     f.uint("the id of a subscription", MaxVersion),
		Add:    f.subs("the subscriptions to add", l),
		Remove: f.subs("the subscriptions to remove", l),
	}
	if s.ID == 0 {
		f.fail(protocolErrorf("the id of a subscription is greater than 0"))
	}
	if err := f.close(); err != nil {
		return Subscribe{}, err
	}
	return s, nil
}

func (f *fields) subs(what string, l Limits) []Sub {
	return each(f.array(what, l.Subs), func(f *fields) Sub { return f.sub(l) })
}

func (f *fields) sub(l Limits) Sub {
	in := f.tuple("a subscription")
	s := Sub{}
	s.Name, s.Table = in.tableName("a subscription's table")
	in.scopesOf(&s, l)
	s.Hz = in.hz()
	s.Since, s.SinceSet = in.maybeUint("since", MaxVersion)
	in.end()
	return s
}

// tableName reads the name or the number of a table.
func (f *fields) tableName(what string) (name string, number int) {
	if !f.need(what) {
		return "", 0
	}
	v, err := f.r.value()
	switch {
	case err != nil:
	case v.kind == Text && v.str != "":
		name = v.Clone().str
	case v.kind == Integer && v.num <= math.MaxInt32:
		number = int(v.num)
	default:
		err = protocolErrorf("%s must be a name or a number, not %s", what, v)
	}
	f.fail(err)
	return name, number
}

func (f *fields) scopesOf(s *Sub, l Limits) {
	s.Scoped = f.peek()
	s.Scopes = each(f.array("a subscription's scopes", l.Scopes), func(f *fields) Value {
		return f.value("a scope")
	})
}

// hz reads a rate, 0 for null.
func (f *fields) hz() float64 {
	if !f.next() {
		return 0
	}
	v, err := f.r.value()
	if err == nil && v.Float64() <= 0 {
		err = protocolErrorf("hz must be null or a number above 0, not %s", v)
	}
	f.fail(err)
	return v.Float64()
}

// Append appends the message.
func (s *Subscribe) Append(dst []byte) []byte {
	dst = appendUint(appendArray(dst, 4), uint64(TypeSubscribe))
	dst = appendUint(dst, s.ID)
	dst = appendSubs(dst, s.Add)
	return appendSubs(dst, s.Remove)
}

func appendSubs(dst []byte, subs []Sub) []byte {
	dst = appendArray(dst, len(subs))
	for i := range subs {
		dst = subs[i].append(dst)
	}
	return dst
}

func (s *Sub) append(dst []byte) []byte {
	dst = appendArray(dst, s.elements())
	if s.Name != "" {
		dst = appendText(dst, s.Name)
	} else {
		dst = appendUint(dst, uint64(s.Table))
	}
	n := s.elements()
	if n > 1 {
		dst = s.appendScopes(dst)
	}
	if n > 2 && s.Hz == 0 {
		dst = appendNull(dst)
	} else if n > 2 {
		dst = appendNumber(dst, s.Hz)
	}
	if n > 3 {
		dst = appendUint(dst, s.Since)
	}
	return dst
}

// elements returns the length of the array, without the nulls at its end.
func (s *Sub) elements() int {
	switch {
	case s.SinceSet:
		return 4
	case s.Hz != 0:
		return 3
	case s.Scoped:
		return 2
	default:
		return 1
	}
}

func (s *Sub) appendScopes(dst []byte) []byte {
	if !s.Scoped {
		return appendNull(dst)
	}
	return appendValues(dst, s.Scopes)
}

func appendValues(dst []byte, values []Value) []byte {
	dst = appendArray(dst, len(values))
	for _, v := range values {
		dst = appendValue(dst, v)
	}
	return dst
}

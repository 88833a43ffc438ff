package hub

import (
	"github.com/google/uuid"

	"framehub/audit"
	"framehub/rules"
	"framehub/session/wire"
	"framehub/store"
)

const (
	// mostSQL bounds the statements of a session that are under way, or whose answers
	// wait to be written.
	mostSQL = 8

	// answerOverhead is what an answer takes beside its rows and the columns' names.
	answerOverhead = 64
)

// An ask is a statement on its way to a frame, and what it has returned.
type ask struct {
	client    *client
	id        uint64
	statement *store.Statement
	result    *store.Result
}

// SQL implements session.Handler. What only reads runs beside the frames, on the last
// version or a later one; everything else in a frame, in its turn.
func (c *client) SQL(m *wire.SQL, size int) *wire.Refusal {
	if !rules.Trusted(c.who.Role) {
		return wire.Refuse(wire.CodeForbidden, "SQL is for the roles server, editor and admin, this session is of the role %s", c.who.Role)
	}
	if c.asking.Add(1) > mostSQL {
		c.asking.Add(-1)
		return wire.Refuse(wire.CodeRate, "%d statements are under way, which is the most", mostSQL)
	}
	a := &ask{client: c, id: m.ID, statement: &store.Statement{Text: m.Text, Params: m.Params, Allow: c.mayUse, Limits: c.hub.opts.SQL}}
	a.statement.Limits.Bytes = c.form.max - answerOverhead
	readOnly, refused, err := c.hub.store.Examine(a.statement)
	switch {
	case err != nil:
		refused = c.cantRun(err)
		fallthrough
	case refused != nil:
		c.asking.Add(-1)
		c.refusedSQL(refused)
		return refused
	case readOnly:
		least := c.hub.Version()
		c.reading.Go(func() { a.read(least) })
	default:
		c.hub.in.putUnnumbered(c.ctx, item{device: c.device, write: &wire.Write{}, who: &c.who, owner: c.owner, share: c.share, ask: a, size: size + itemSize})
	}
	return nil
}

// mayUse says why a session may not do something to a table with SQL.
func (c *client) mayUse(t *store.Table, right wire.Rights) *wire.Refusal {
	if b := c.hub.book(); b.Rights(c.who.Role, t.ID)&right != 0 {
		return nil
	}
	what := map[wire.Rights]string{wire.RightRead: "read", wire.RightInsert: "insert into", wire.RightUpdate: "update", wire.RightDelete: "delete from"}[right]
	return wire.Refuse(wire.CodeForbidden, "the role %s may not %s table %q", c.who.Role, what, t.Name)
}

func (c *client) cantRun(err error) *wire.Refusal {
	c.hub.opts.Log.Error("run a statement", "session", c.sess.ID, "err", err)
	return wire.Refuse(wire.CodeUnavailable, "the statement can't be run at the moment")
}

// refusedSQL counts a refusal, and writes it down.
func (c *client) refusedSQL(refused *wire.Refusal) {
	c.hub.metrics.settled(refused)
	c.hub.opts.Audit.Add(audit.WriteRefused, audit.Record{
		Session: c.sess.ID, Device: uuid.UUID(c.device.id), User: c.who.User, Remote: c.sess.Remote, Code: string(refused.Code), Reason: "SQL: " + refused.Text,
	})
}

// read runs a statement that only reads.
func (a *ask) read(least uint64) {
	c := a.client
	r, version, refused, err := c.hub.store.Query(c.ctx, a.statement, least)
	if c.ctx.Err() != nil {
		return // nobody is there to be told
	}
	if err != nil {
		refused = c.cantRun(err)
	}
	a.result = r
	a.answer(version, refused)
}

// run runs the statement in a frame.
func (a *ask) run(f *store.Frame) (refused *wire.Refusal, err error) {
	a.result, refused, err = f.Exec(a.client.device.id, a.statement)
	return refused, err
}

// answer tells what the statement has returned, or why it was not run.
func (a *ask) answer(version uint64, refused *wire.Refusal) {
	c := a.client
	m := wire.SQLAnswer{ID: a.id, Version: version, Refused: refused}
	if refused == nil {
		m.Columns, m.Rows = a.result.Columns, a.result.Rows
		makeValid(m.Rows.Values)
		c.hub.metrics.statements.Inc()
	} else {
		c.refusedSQL(refused)
	}
	msg := m.Append(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out, c.answered = append(c.out, msg), c.answered+1
	c.sess.Wake()
}

// takeAnswered gives back the places of statements whose answers the write loop has
// taken: who does not take any is not answered more. Called with client.mu held.
func (c *client) takeAnswered() {
	c.asking.Add(-c.answered)
	c.answered = 0
}

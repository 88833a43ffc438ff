package sqlite

import (
	"errors"
	"fmt"
)

// CopyTo copies the whole database into another connection's, page by page, which is
// empty or is lost. Inside a read transaction of c's the copy is what that sees, whatever
// others write meanwhile. After so many pages it calls step with what is done; an error
// from it ends the copy and is returned.
func (c *Conn) CopyTo(to *Conn, pages int, step func(done, total int) error) (err error) {
	b, err := to.driver.Backup("main", c.driver, "main")
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	defer func() { err = errors.Join(err, b.Finish()) }()
	before := -1
	for {
		done, err := b.Step(pages)
		if err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
		copied := b.PageCount() - b.Remaining()
		if err := step(copied, b.PageCount()); err != nil || done {
			return err
		}
		if copied <= before { // the driver does not tell a lock from a step that went well
			return errors.New("copy the database: another program holds a lock")
		}
		before = copied
	}
}

// Package audit writes down what an operator may be asked to account for: who was
// refused, and why. Its lines have the attribute audit=true and always the same
// names for the same things, and a flood of them is sampled.
//
// Start reading at [Log].
package audit

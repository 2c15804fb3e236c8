// SPDX-License-Identifier: MIT
// The port needs no qstr beyond those that its sources use.

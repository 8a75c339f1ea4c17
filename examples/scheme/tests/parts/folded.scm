; Included with folded case.
(DEFINE Folded-Name (LIST 'Mixed "Case"))

namespace OmniPg.Wal;

/// <summary>How a page goes on with the record that the page before left unfinished.</summary>
internal enum Continuation
{
    /// <summary>As expected: the page starts with a record, or continues the one at hand.</summary>
    Regular,

    /// <summary>The page continues a record whose beginning was not given.</summary>
    Unseen,

    /// <summary>The unfinished record was given up after a crash; an OVERWRITE_CONTRECORD record must follow.</summary>
    Abandoned,
}

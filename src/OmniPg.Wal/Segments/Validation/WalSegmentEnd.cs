namespace OmniPg.Wal;

/// <summary>Where the valid records of a segment end.</summary>
public enum WalSegmentEnd
{
    /// <summary>Records were not read (validation level below <see cref="WalValidation.Full"/>, or a text file).</summary>
    NotRead,

    /// <summary>At the end of the segment.</summary>
    Segment,

    /// <summary>At a segment switch record; only zeros follow.</summary>
    Switch,

    /// <summary>Before the end of the segment, which only an unfinished segment may do (<see cref="WalExpectations.AllowShort"/>).</summary>
    Early,
}

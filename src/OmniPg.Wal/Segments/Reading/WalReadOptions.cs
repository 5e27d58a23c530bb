namespace OmniPg.Wal;

/// <summary>How to read records.</summary>
public sealed class WalReadOptions
{
    /// <summary>Name of the file, compared with the content; <see langword="null"/> (default) believes the content.</summary>
    public WalFileName? Name { get; set; }

    /// <summary>What is known about the cluster. Default: nothing. Set <see cref="WalExpectations.AllowShort"/> to read a segment that a server still writes.</summary>
    public WalExpectations Expectations { get; set; } = WalExpectations.Any;

    /// <summary>Whether records carry their bytes (<see cref="WalRecord.Data"/>, one copy each). Default <see langword="false"/>.</summary>
    public bool IncludeData { get; set; }

    /// <summary>Called with the summary of each segment at its end; <see langword="null"/> (default) for nobody.</summary>
    public Action<WalValidationResult>? OnSegmentEnd { get; set; }
}

namespace OmniPg.Wal;

/// <summary>How <see cref="WalRepository.VerifyAsync"/> works.</summary>
public sealed class WalVerifyOptions
{
    /// <summary>How thoroughly each file is checked. <see cref="WalValidation.Full"/> also checks the chain of records from segment to segment.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>Whether segments of a version newer than this package are checked by their first page header alone and counted (<see cref="WalVerification.UnknownVersions"/>); otherwise they are problems.</summary>
    /// <value>Default true.</value>
    public bool AllowUnknownVersion { get; set; } = true;

    /// <summary>Told after every file; null tells nobody.</summary>
    /// <value>Default null.</value>
    public IProgress<WalScanProgress>? Progress { get; set; }
}

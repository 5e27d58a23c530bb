namespace OmniPg.Wal;

/// <summary>How <see cref="WalRepository.VerifyAsync"/> works.</summary>
public sealed class WalVerifyOptions
{
    /// <summary>How thoroughly each file is checked. <see cref="WalValidation.Full"/> also checks the chain of records from segment to segment.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>Told after every file; null tells nobody.</summary>
    /// <value>Default null.</value>
    public IProgress<WalScanProgress>? Progress { get; set; }
}

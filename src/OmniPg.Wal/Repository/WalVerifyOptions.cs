using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>How <see cref="WalRepository.VerifyAsync"/> works.</summary>
public sealed class WalVerifyOptions : ICheckedOptions
{
    /// <summary>How thoroughly each file is checked. <see cref="WalValidation.Full"/> also checks the chain of records from segment to segment.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>Whether segments of a version newer than this package are checked by their first page header alone and counted (<see cref="WalVerifyResult.UnknownVersions"/>); otherwise they are problems.</summary>
    /// <value>Default true.</value>
    public bool AllowUnknownVersion { get; set; } = true;

    void ICheckedOptions.Check(OptionsCheck check) => check.Defined<WalValidation>(Validation);
}

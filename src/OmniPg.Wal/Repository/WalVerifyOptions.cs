using Npgsql;
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

    /// <summary>
    /// The server that archives here. It is asked for its position and for what waits: then segments that it has finished since the last archived one count as missing too, what waits and what it has archived last in any case,
    /// and each gap has a <see cref="WalGap.Status"/>. Of a standby only the last two are known. The role needs <c>EXECUTE</c> on <c>pg_ls_archive_statusdir()</c>, which <c>pg_monitor</c> has.
    /// </summary>
    /// <value>Default null: nobody is asked. Not disposed.</value>
    public NpgsqlDataSource? Server { get; set; }

    /// <summary>
    /// The directory of the receiver whose destination the archive is (<see cref="WalReceiverOptions.Directory"/>). What lies there, complete or in part, is on its way into the archive, not lost; and the server need not archive by itself.
    /// Only with <see cref="Server"/>.
    /// </summary>
    /// <value>Default null: there is none, or it cannot be reached from here.</value>
    public string? ReceiverDirectory { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Defined<WalValidation>(Validation);
        check.Path(ReceiverDirectory);
        check.That(ReceiverDirectory is null || Server is not null, "ReceiverDirectory needs Server: without it no gap is judged.");
    }
}

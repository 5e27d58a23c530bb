using Microsoft.Extensions.Options;
using OmniPg.Shared;

namespace OmniPg.Wal;

public sealed partial class WalArchiver
{
    /// <summary>
    /// The resident mode: looks ahead over what PostgreSQL has made ready, archives several files side by side, and answers the <c>archive_command</c> from what
    /// is done already. Runs until cancelled. Not more than one process may use a spool directory.
    /// </summary>
    /// <param name="options">Spool, socket and parallelism.</param>
    /// <param name="cancellationToken">Stops: no file is begun any more, those under way get <see cref="WalResidentOptions.StopGrace"/>, then the enumeration ends.</param>
    /// <returns>What happens. A consumer that does not read holds the work up.</returns>
    /// <exception cref="OptionsValidationException">The options cannot work; all that is wrong is named.</exception>
    /// <exception cref="WalConfigurationException">The archiver has a <see cref="WalArchiveOptions.QueueLimit"/>.</exception>
    /// <exception cref="WalLockedException">Another process uses the spool directory.</exception>
    public IAsyncEnumerable<ArchiveEvent> RunResidentAsync(WalResidentOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        // It archives ahead of the server: what the server has not handed over yet must not be given up, and what waits for an answer only does not wait.
        if (Options.QueueLimit is not null)
            throw new WalConfigurationException("The resident mode knows no QueueLimit (--queue-limit).", "Leave it out, or archive by 'omnipg-wal archive' without the resident mode.");
        return ResidentLoop.RunAsync(this, OptionsCheck.Require(options), cancellationToken);
    }
}

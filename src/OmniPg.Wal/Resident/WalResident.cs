using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The resident mode of an archiver: looks ahead over what PostgreSQL has made ready, archives several files side by side, and answers the <c>archive_command</c> from what
/// is done already. Not more than one process may use a spool directory.
/// </summary>
/// <remarks>One <see cref="RunAsync"/> at a time. Whoever makes it keeps the archiver, and disposes it behind the last run.</remarks>
public sealed class WalResident
{
    private const int EventsHeld = 256;
    private readonly WalArchiver _archiver;
    private readonly WalResidentOptions _options;

    /// <summary>Makes the mode; nothing is touched yet.</summary>
    /// <param name="archiver">What archives. Not disposed.</param>
    /// <param name="options">Spool, socket and parallelism; not changed afterwards.</param>
    /// <exception cref="OptionsValidationException">The options cannot work; all that is wrong is named.</exception>
    /// <exception cref="WalConfigurationException">The archiver has a <see cref="WalArchiveOptions.QueueLimit"/>.</exception>
    public WalResident(WalArchiver archiver, WalResidentOptions options)
    {
        ArgumentNullException.ThrowIfNull(archiver);
        ArgumentNullException.ThrowIfNull(options);
        // It archives ahead of the server: what the server has not handed over yet must not be given up, and what waits for an answer only does not wait.
        if (archiver.Options.QueueLimit is not null)
            throw new WalConfigurationException("The resident mode knows no QueueLimit (--queue-limit).", "Leave it out, or archive by 'omnipg-wal archive' without the resident mode.");
        (_archiver, _options) = (archiver, OptionsCheck.Require(options));
    }

    /// <summary>Runs until cancelled.</summary>
    /// <param name="cancellationToken">Stops: no file is begun any more, those under way get <see cref="WalResidentOptions.StopGrace"/>, then the enumeration ends.</param>
    /// <returns>What happens. A consumer that does not read holds the work up, and one that stops reading ends the mode.</returns>
    /// <exception cref="WalConfigurationException">Something that is no socket lies at its path.</exception>
    /// <exception cref="WalLockedException">Another process uses the spool directory, or serves the socket.</exception>
    public async IAsyncEnumerable<ArchiveEvent> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var events = Channel.CreateBounded<ArchiveEvent>(new BoundedChannelOptions(EventsHeld) { SingleReader = true });
        using var abandoned = new CancellationTokenSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, abandoned.Token);
        _archiver.IsLookingAhead = true;
        var loop = new ResidentLoop(_archiver, _options, events.Writer);
        var running = Task.Run(() => loop.RunAsync(stop.Token), CancellationToken.None);
        try
        {
            await foreach (var happened in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
                yield return happened;
        }
        finally
        {
            // What is still reported goes nowhere.
            await abandoned.CancelAsync().ConfigureAwait(false);
            await foreach (var _ in events.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
            }

            await running.ConfigureAwait(false);
        }
    }
}

using System.Diagnostics;
using OmniPg.Shared;
using OmniPg.Wal.Cli;

namespace OmniPg.Wal.ArchiveModule;

/// <summary>Asks the resident process for one file, and waits no longer than the server can.</summary>
internal sealed class SegmentQuestion
{
    private const string PostmasterFile = "postmaster.pid";
    private const int StatusLine = 7;

    // The server asks up to six times while it stops (pgarch_MainLoop, twice NUM_ARCHIVE_RETRIES): only the first of them may take the whole time.
    private static bool _isStoppingInVain;
    private readonly Stopwatch _asked = Stopwatch.StartNew();
    private TimeSpan? _stoppingSince;
    private string? _reason;

    /// <summary>Whether every required destination holds the file now; where not, the server's log tells why, and the server asks again.</summary>
    public static bool Ask(string path)
    {
        var question = new SegmentQuestion();
        var socket = Settings.Socket;
        try
        {
            if (ResidentConnection.Ask(socket, path, question.Wait) is not { } answer)
                return No(path, $"nobody answers on '{socket}'.", "Start 'omnipg-wal resident' with that --socket; until then the server keeps the file.");
            _isStoppingInVain = false;
            return answer.Ok || No(path, answer.Message ?? "no reason given.", $"The log of 'omnipg-wal resident' tells more of {answer.Code ?? "it"}.");
        }
        catch (OperationCanceledException) when (question._reason is { } reason)
        {
            return No(path, reason, "The server keeps the file. Look at 'omnipg-wal resident': it took the question and did not answer.");
        }
        catch (UnauthorizedAccessException)
        {
            return No(path, $"the server's account has no right to ask on '{socket}'.", "Run 'omnipg-wal resident' as the account of the server; until then the server keeps the file.");
        }
        catch (ArgumentException)
        {
            return No(path, $"'{socket}' cannot be a socket.", "omnipg_archive.socket is a path of at most 107 bytes.");
        }
    }

    private static bool No(string path, string reason, string hint)
    {
        Server.Warn($"The file '{Path.GetFileName(path)}' is not archived: {OneLine.Of(reason)}", OneLine.Of(hint));
        return false;
    }

    // Called again and again while there is no answer.
    private void Wait()
    {
        // Not compared with an earlier look at the parent: the postmaster may be gone before there was one.
        if (Posix.ParentProcess() != Server.Postmaster)
            GiveUp("the server is gone.");
        if (IsStopping())
        {
            _stoppingSince ??= _asked.Elapsed;
            if (_isStoppingInVain || _asked.Elapsed - _stoppingSince >= Settings.ShutdownTimeout)
            {
                _isStoppingInVain = true;
                GiveUp($"the server is being stopped, and there was no answer on '{Settings.Socket}' for {_asked.Elapsed.TotalSeconds:F1} s.");
            }
        }

        if (_asked.Elapsed >= Settings.Timeout)
            GiveUp($"there was no answer on '{Settings.Socket}' for {_asked.Elapsed.TotalSeconds:F1} s.");
    }

    private void GiveUp(string reason)
    {
        _reason = reason;
        throw new OperationCanceledException();
    }

    // The postmaster writes it down as soon as it is told to stop (process_pm_shutdown_request of postmaster.c); the archiver itself hears of it only in the end.
    private static bool IsStopping()
    {
        try
        {
            return File.ReadLines(PostmasterFile).ElementAtOrDefault(StatusLine)?.TrimEnd() == "stopping";
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

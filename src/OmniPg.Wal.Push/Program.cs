using System.Text;
using OmniPg.Shared;
using OmniPg.Wal.Cli;

const string Usage = "omnipg-wal-push SOCKET %p [-- FALLBACK…]";
const string Hint = """

    archive_command = 'omnipg-wal-push /run/omnipg/wal.sock %p -- omnipg-wal archive --state-dir /var/lib/omnipg --dst-local zstd=/mnt/archive %p'
    Asks the resident process of omnipg-wal to archive a file and ends with its exit code, as 'omnipg-wal archive' would.
    When nobody answers the fallback is started in its place; without one it ends with 10, and PostgreSQL asks again.
    """;

StandardDescriptors.HoldClosed();
switch (args)
{
    case ["--help"]:
        return Tell(StandardDescriptors.Output, Usage + Hint, ExitCodes.Done);
    case ["--version"]:
        return Tell(StandardDescriptors.Output, $"omnipg-wal-push {typeof(Posix).Assembly.GetName().Version?.ToString(3)}", ExitCodes.Done);
    case [{ Length: > 0 } socket, { Length: > 0 } path]:
        return Push(socket, path, []);
    case [{ Length: > 0 } socket, { Length: > 0 } path, "--", .. { Length: > 0 } fallback]:
        return Push(socket, path, fallback);
    default:
        return Complain($"It takes a socket and the one argument %p.\nhint: {Usage}", ExitCodes.Usage);
}

// Whatever happens here ends below 126: above that PostgreSQL's archiver ends too, and counts no failure (pgarch.c, pgarch_archiveXlog).
static int Push(string socket, string path, string[] fallback)
{
    try
    {
        var reason = $"Nobody answers on '{OneLine.Of(socket)}'.\nhint: Start 'omnipg-wal resident', or name a fallback behind '--'.";
        try
        {
            if (ResidentQuestion.Ask(socket, path, CancellationToken.None) is { } answer)
                return answer.Ok ? ExitCodes.Done : Complain(OneLine.Of(answer.Message ?? "no reason given"), ExitCodes.Of(answer.Code));
        }
        catch (UnauthorizedAccessException)
        {
            reason = $"This account has no right to ask on '{OneLine.Of(socket)}'.\nhint: Run 'omnipg-wal resident' as the account of the server, or name a fallback behind '--'.";
        }

        if (fallback.Length == 0)
            return Complain(reason, ExitCodes.DestinationFailed);
        return Complain(OneLine.Of(Posix.Execute(fallback).Message), ExitCodes.DestinationFailed);
    }
    catch (ArgumentException)
    {
        return Complain($"'{OneLine.Of(socket)}' cannot be a socket: a path of at most 107 bytes is wanted.", ExitCodes.Usage);
    }
    catch (Exception unforeseen)
    {
        return Complain(OneLine.Of($"{unforeseen.GetType().Name}: {unforeseen.Message}"), ExitCodes.DestinationFailed);
    }
}

static int Complain(string text, int code) => Tell(StandardDescriptors.Error, "omnipg-wal-push: " + text, code);

static int Tell(int descriptor, string text, int code)
{
    try
    {
        Posix.WriteAll(descriptor, Encoding.UTF8.GetBytes(text + "\n"));
    }
    catch (IOException)
    {
        // Nobody reads it; the exit code says what counts.
    }

    return code;
}

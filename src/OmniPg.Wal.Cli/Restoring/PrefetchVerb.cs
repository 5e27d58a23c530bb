using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli;

/// <summary>The background process of <c>restore --spool</c>.</summary>
internal sealed class PrefetchVerb : Verb
{
    public override string Name => "prefetch";

    public override string Summary => "fetch ahead for a recovering server; started by restore --spool";

    public override string Example => "omnipg-wal prefetch --source /mnt/archive --spool /var/spool/omnipg --process-max 2";

    public override string LogName => "omnipitr-restore";

    public override bool IsInternal => true;

    public override IReadOnlyList<Option> Options => RestoreOptions.All;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.Require(RestoreOptions.Spool);
        await new WalRestorer(RestoreOptions.Read(arguments), context.Logs, context.Time).RunPrefetchAsync(cancellationToken);
        return ExitCodes.Done;
    }

    /// <summary>
    /// Starts the process and does not wait for it: the same program with the same options and this verb. It shares the process group, so the server's shutdown reaches it too,
    /// but none of the standard streams: it must not hold the server's log open.
    /// </summary>
    public static void TryStart(Arguments arguments, ILogger log)
    {
        try
        {
            Start(arguments);
        }
        catch (Exception e) when (e is Win32Exception or IOException or InvalidOperationException)
        {
            // It only saves time; the restore goes on without.
            ProgramLog.NoPrefetch(log, e.Message);
        }
    }

    private static void Start(Arguments arguments)
    {
        var words = Environment.GetCommandLineArgs();
        var program = Environment.ProcessPath!;
        var info = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Under the shared host ('dotnet omnipg-wal.dll') the host is the process and the first word the assembly.
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            info.ArgumentList.Add(words[0]);
        info.ArgumentList.Add("prefetch");
        foreach (var word in arguments.Words)
            info.ArgumentList.Add(word);
        using var process = Process.Start(info);
    }
}

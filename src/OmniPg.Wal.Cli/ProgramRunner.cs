using System.Collections;
using OmniPg.Wal.Cli.CommandLine;
using OmniPg.Wal.Cli.Commands;
using OmniPg.Wal.Cli.Running;

namespace OmniPg.Wal.Cli;

/// <summary>From the words of the command line to the exit code.</summary>
internal static class ProgramRunner
{
    public static async Task<int> RunAsync(string[] words)
    {
        using var context = new ProgramContext();
        if (words is ["--debug", ..])
        {
            Dump(words, context);
            words = words[1..];
        }

        if (words.Length == 0 || words[0] is "--help" or "-?" or "help")
            return PrintHelp(words, context);
        if (words[0] is "--version" or "-V")
            return Print(context.Output, VersionText.Value + "\n", ExitCodes.Done);
        if (VerbTable.Find(words[0]) is not { } verb)
            return Print(context.Error, $"omnipg-wal: ERROR: The verb '{OneLine.Of(words[0])}' is not known; see omnipg-wal --help.\n", ExitCodes.Usage);
        return await RunAsync(verb, words[1..], context);
    }

    private static async Task<int> RunAsync(Verb verb, string[] words, ProgramContext context)
    {
        using var signals = new StopSignals();
        Arguments? arguments = null;
        try
        {
            if (Array.Exists(words, w => w is "--help" or "-?"))
                return Print(context.Output, verb.Help, ExitCodes.Done);
            if (words is ["--version" or "-V"])
                return Print(context.Output, VersionText.Value + "\n", ExitCodes.Done);
            arguments = CommandLineParser.Parse(words, verb.AllOptions, CommonOptions.ConfigFile);
            StartLogging(verb, words, arguments, context);
            using var single = arguments.Get(CommonOptions.PidFile) is { } path ? SingleInstanceLock.Acquire(path) : null;
            return await verb.RunAsync(arguments, context, signals.Token);
        }
        catch (OperationCanceledException) when (signals.ExitCode != 0)
        {
            return signals.ExitCode;
        }
        catch (Exception e)
        {
            ProgramLog.Failed(context.Logs.CreateLogger(verb.Name), e.Message, e is OmniPgException or UsageException ? null : e);
            return signals.ExitCode != 0 ? signals.ExitCode : verb.ExitCodeOf(arguments, e);
        }
    }

    private static void StartLogging(Verb verb, string[] words, Arguments arguments, ProgramContext context)
    {
        var verbose = arguments.Has(CommonOptions.Verbose);
        if (arguments.Get(CommonOptions.Log) is { } template)
        {
            var output = template == "-" ? Console.OpenStandardOutput() : null;
            var options = new OmniPitrLogOptions { PathTemplate = template, ProgramName = verb.LogName, Verbose = verbose, StandardOutput = output };
            context.LogTo(new OmniPitrLogFile(options, context.Time));
        }
        else if (verbose)
        {
            context.LogTo(new StderrLoggerProvider(() => context.Error, verbose: true));
        }

        if (verbose)
            ProgramLog.Called(context.Logs.CreateLogger(verb.Name), string.Join(' ', words.Select(SecretMask.Word)));
    }

    private static int PrintHelp(string[] words, ProgramContext context)
    {
        if (words is ["help", var name] && VerbTable.Find(name) is { } verb)
            return Print(context.Output, verb.Help, ExitCodes.Done);
        var text = HelpText.ForProgram(VerbTable.Visible.Select(v => (v.Name, v.Summary)));
        return words.Length == 0 ? Print(context.Error, text, ExitCodes.Usage) : Print(context.Output, text, ExitCodes.Done);
    }

    private static int Print(TextWriter target, string text, int exitCode)
    {
        target.Write(text);
        return exitCode;
    }

    private static void Dump(string[] words, ProgramContext context)
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            context.Error.WriteLine($"{variable.Key}={SecretMask.Variable((string)variable.Key, (string?)variable.Value ?? "")}");
        for (var i = 0; i < words.Length; i++)
            context.Error.WriteLine($"argument {i}: {SecretMask.Word(words[i])}");
    }
}

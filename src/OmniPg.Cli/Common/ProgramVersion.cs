using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OmniPg.Cli;

/// <summary>What <c>--version</c> prints: the version, and which runtime was linked or loaded.</summary>
internal sealed class ProgramVersion(TextWriter output) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    private static string Number =>
        (typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0").Split('+')[0];

    public override int Invoke(ParseResult parseResult)
    {
        var kind = RuntimeFeature.IsDynamicCodeSupported ? "managed" : "native";
        output.WriteLine($"omnipg {Number} ({RuntimeInformation.FrameworkDescription}, {kind}, {RuntimeInformation.RuntimeIdentifier})");
        return ExitCodes.Done;
    }
}

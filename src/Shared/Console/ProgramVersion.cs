using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OmniPg.Shared;

/// <summary>What <c>--version</c> prints: the version, and which runtime was linked or loaded.</summary>
internal static class ProgramVersion
{
    private static string Kind => RuntimeFeature.IsDynamicCodeSupported ? "managed" : "native";

    private static string Version
    {
        get
        {
            var text = typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";
            var plus = text.IndexOf('+', StringComparison.Ordinal);
            return plus < 0 ? text : text[..plus];
        }
    }

    public static string Of(string program) => $"{program} {Version} ({RuntimeInformation.FrameworkDescription}, {Kind}, {RuntimeInformation.RuntimeIdentifier})";
}

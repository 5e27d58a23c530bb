using System.Runtime.InteropServices;

namespace OmniPg.Core.Tests.Compression;

public sealed class ZstdNativeTests
{
    [Fact]
    public void A_handle_that_the_runtime_frees_closes_the_library_for_nobody_else()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && ZstdNative.IsPresent, "Looks for libzstd in /proc.");
        var used = ZstdNative.Resolve(ZstdNative.Library);

        // As native AOT does with what the slower ones of several threads got that made the first call at once.
        for (var slower = 0; slower < 3; slower++)
            NativeLibrary.Free(ZstdNative.Resolve(ZstdNative.Library));

        File.ReadAllText("/proc/self/maps").Should().Contain("libzstd");
        NativeLibrary.Free(used);
    }
}

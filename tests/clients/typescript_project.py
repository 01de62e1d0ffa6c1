"""A project of a caller in TypeScript, which installs the client as its README says."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.clients.typescript_client import PACKAGE, build
from tests.support.npm import node

OPTIONS = {"module": "NodeNext", "target": "ES2022", "lib": ["ES2022", "DOM"], "strict": True, "types": []}


class Project:
    """A project in an empty folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._node = node()
        build()
        home.joinpath("package.json").write_text(json.dumps({"type": "module", "private": True}))
        package = home / "clients" / "typescript"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("dist", "node_modules"))
        package.joinpath("node_modules").symlink_to(PACKAGE / "node_modules")
        self._npm("pack", "./clients/typescript")
        (packed,) = home.glob("*.tgz")
        self._npm("install", "--offline", f"./{packed.name}")

    def compiled(self, program: str) -> Path:
        """Check the types of a program and return it as JavaScript."""
        source = self._home / "program.ts"
        source.write_text(program)
        configuration = {"compilerOptions": OPTIONS, "files": [source.name]}
        self._home.joinpath("tsconfig.json").write_text(json.dumps(configuration))
        self._run(str(PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"), "--project", str(self._home))
        return source.with_suffix(".js")

    def output(self, program: str) -> str:
        """Return what a program prints."""
        return self._run(str(self.compiled(program)))

    def _npm(self, *words: str) -> None:
        self._run(str(self._node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *words)

    def _run(self, *words: str) -> str:
        quiet = {f"npm_config_{name}": "false" for name in ("audit", "fund", "update_notifier")}
        path = f"{self._node.parent}{os.pathsep}{os.environ['PATH']}"
        env = {"PATH": path, "HOME": str(self._home), "npm_config_cache": str(self._home / ".npm"), **quiet}
        done = subprocess.run(
            [self._node, *words], check=False, capture_output=True, text=True, cwd=self._home, env=env, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
